"""What docs/exchange.md shows is what the commands print, on two shards."""
import collections
import os
import pathlib
import re
import subprocess
import tempfile

import wire
from cluster import SystemTest

PAGE = wire.REPO / "docs/exchange.md"
INDENT = "    "
def steps(text):
    """The page's commands, and what it shows of each one's output."""
    found = []
    for line in text.splitlines():
        shown = line.removeprefix(INDENT)
        if shown == line:
            continue
        if shown.startswith("$ "):
            found.append((shown.removeprefix("$ "), []))
        else:
            found[-1][1].append(shown)
    return found


def masked(text):
    """Without how long it took."""
    return re.sub(r"in \d+\.\d s\b", "in N s", text)


def shows(shown, line):
    """Whether a line of the page is the one printed. The page may end a long one with dots."""
    if shown.endswith(" ..."):
        return line.startswith(shown.removesuffix("..."))
    return masked(shown) == masked(line)


class ExchangeTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_step(self, command):
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, timeout=60, check=False,
                              env={**os.environ, "PATH": f"{self.cluster.bin}:{os.environ['PATH']}",
                                   "FLORIN_CONFIG": str(self.cluster.dir / "client.zpl")},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.stdout

    def check_step(self, command, shown):
        printed = self.run_step(command)
        lines = printed.splitlines()
        self.assertTrue(len(lines) == len(shown) and all(map(shows, shown, lines)),
                        f"{command}\n{printed}")

    def test_the_page_shows_what_happens(self):
        page = steps(PAGE.read_text())
        for command, shown in page:
            if command.startswith("cat "):
                path = self.folder / command.removeprefix("cat ")
                path.write_text("".join(f"{line}\n" for line in shown))
            else:
                self.check_step(command, shown)
        commands = collections.Counter(command.split()[0] for command, _ in page)
        self.assertEqual(commands, {"cat": 4, "florin": 12})
        self.check_shards()
        self.cluster.audit(range(2000, 2006))

    def check_shards(self):
        """The page says that an exchange touches both shards."""
        for shard in range(self.SHARDS):
            odd = {int(number[0][-4:], 16) % 2
                   for number in self.cluster.sql(shard, "select id from accounts")}
            self.assertEqual(odd, {shard})
