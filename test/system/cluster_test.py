"""ops/cluster itself: what an operator relies on when starting, stopping and breaking things."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from cluster import BIN, SCRIPT, alive


class ClusterTest(unittest.TestCase):
    """Each test has a folder of its own, with a name that is hard on scripts."""

    def setUp(self):
        base = self.enterContext(tempfile.TemporaryDirectory(prefix="florin-test-"))
        self.dir = pathlib.Path(base) / "it's a, \"folder\" (1)"
        self.addCleanup(self.ops, "down", "--delete")

    def ops(self, *arguments, exit_code=0, env=None):
        done = subprocess.run([SCRIPT, "--dir", self.dir, *arguments], capture_output=True,
                              text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def pids(self):
        return {path.name: int(path.read_text().split()[0])
                for path in (self.dir / "pid").iterdir()}

    def sql(self, where, query):
        return self.ops("psql", where, "-Atc", query).strip()

    def test_brokers_on_unix_sockets(self):
        self.ops("up", "--bin", BIN, "--ipc", "--shards", "1", "--pool", "transactions=1")
        configuration = (self.dir / "client.zpl").read_text()
        self.assertIn('broker = "ipc://', configuration)
        self.assertNotIn("key", configuration)
        self.ops("down")
        self.assertIn("connect to ipc://", self.ops("up"))
        self.ops("status")

    def test_brokers_stay_on_tcp(self):
        self.ops("up", "--bin", BIN, "--shards", "1", "--workers", "0")
        self.assertIn("listen on TCP, and stay there", self.ops("up", "--ipc", exit_code=1))

    def test_its_life(self):
        self.ops("up", "--bin", BIN, "--brokers", "2", "--pool", "transactions=1")
        pids = self.pids()
        self.assertEqual(set(pids), {"shard-0", "shard-1", "broker-1", "broker-2", "accounts-1",
                                     "transactions-1", "risk-1"})
        self.assertIn("up already", self.ops("up"))
        self.assertEqual(self.pids(), pids)
        self.assertIn("stop it first", self.ops("up", "--brokers", "1", exit_code=1))
        self.assertIn("takes no", self.ops("up", "now", exit_code=2))
        self.assertEqual(self.pids(), pids)
        self.assertIn("transactions-1", self.ops("status"))

        self.ops("kill", "transactions-1", "KILL")
        self.assertRegex(self.ops("status", exit_code=1), r"transactions-1 +died")
        self.ops("up")
        self.ops("status")
        self.ops("scale", "transactions", "3")
        self.assertIn("transactions-3", self.pids())
        self.ops("scale", "transactions", "0")
        self.assertNotIn("transactions-1", self.pids())
        self.assertIn("nothing", self.ops("logs", "nothing", exit_code=1))
        self.assertTrue(self.ops("logs", "broker-1"))

        first = (self.dir / "pg").resolve()
        started = self.pids()
        self.ops("down")
        self.assertEqual([name for name, pid in started.items() if alive(pid)], [])
        self.assertEqual(self.pids(), {})
        self.ops("down")
        self.ops("down", "--delete")
        self.assertFalse(self.dir.exists())
        self.assertFalse(first.exists())

    def test_the_books_outlive_a_stop(self):
        self.ops("up", "--postgres-only", "--shards", "1")
        self.sql("0", "create table kept as select 42 as answer")
        self.ops("kill", "shard-0", "KILL")
        self.ops("up", "--postgres-only")
        self.ops("down")
        self.ops("up", "--postgres-only")
        self.assertEqual(self.sql("0", "select answer from kept"), "42")

    def test_the_servers_are_safe_and_private(self):
        self.ops("up", "--postgres-only")
        for name, value in (("fsync", "on"), ("synchronous_commit", "on"), ("listen_addresses", ""),
                            ("max_prepared_transactions", "64")):
            self.assertEqual(self.sql("1", f"show {name}"), value)
        folder = pathlib.Path(self.ops("conninfo", "1").split()[0].removeprefix("host="))
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.sql("control", "select rolsuper from pg_roles where rolname = user"),
                         "f")

    def test_a_stranger_with_an_old_process_id_is_left_alone(self):
        self.ops("up", "--postgres-only", "--shards", "1")
        stranger = subprocess.Popen(["sleep", "60"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        (self.dir / "pid" / "accounts-1").write_text(f"{stranger.pid} 1\n")
        self.assertIn("does not run", self.ops("kill", "accounts-1", exit_code=1))
        self.ops("down")
        self.assertIsNone(stranger.poll())

    def test_what_is_missing_or_wrong_is_named(self):
        self.ops("up", "--postgres-only", "--shards", "1")
        for said, exit_code, arguments in (
                ("1 shards", 1, ("up", "--shards", "2")),
                ("florin is not in", 1, ("up", "--bin", "/usr")),
                ("no pool 'thought'", 2, ("scale", "thought", "1")),
                ("not 'x'", 2, ("scale", "risk", "x")),
                ("no option '--frobnicate'", 2, ("up", "--frobnicate")),
                ("no command 'dance'", 2, ("dance",)),
                ("not '7'", 2, ("psql", "7"))):
            self.assertIn(said, self.ops(*arguments, exit_code=exit_code))
        for command in ("up", "down", "scale", "--port-base", "FLORIN_PG_BIN"):
            self.assertIn(command, self.ops("--help"))
