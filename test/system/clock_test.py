"""Workers whose clock is wrong, by libfaketime: they write nothing and say why, others go on, and
holds end when their time is up."""
import glob
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import wire
from cluster import BIN, SystemTest, uuid, wait_for
from wire import pb

LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
HOUR_S, DAY_S = 3600, 86400
ACCOUNTS = [1002, 1003, 1004, 1005]  # two on each of two shards
HOLD_S = 2
PENDING, OPEN = 2, 1


class Odd:
    """A transactions worker beside those of the cluster, whose clock is some seconds ahead; `set` changes
    that while it runs."""

    def __init__(self, cluster, seconds):
        self.folder = tempfile.TemporaryDirectory(prefix="florin-clock-")
        self.clock = pathlib.Path(self.folder.name) / "clock"
        self.set(seconds)
        self.log_path = pathlib.Path(self.folder.name) / "log"
        env = {**os.environ, "LD_PRELOAD": LIBRARIES[0], "FAKETIME_TIMESTAMP_FILE": str(self.clock),
               "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
               "NO_FAKE_STAT": "1"}
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [BIN / "florin-transactions", "--config", cluster.dir / "etc/transactions.zpl",
                 "--instance", "transactions-9"], env=env, stderr=log, cwd=cluster.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.folder.cleanup()

    def set(self, seconds):
        new = self.clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self.clock)

    def logged(self):
        """What was done, and the message, of each line."""
        found = [json.loads(line) for line in self.log_path.read_text().splitlines()
                 if line.startswith("{")]
        return [(line["event.action"], line["message"]) for line in found]

    def lines(self, action):
        return [message for done, message in self.logged() if done == action]

    def times(self, state):
        """How often it stepped aside, or was back; it may say more than once that it is aside."""
        states = [done for done, _ in self.logged() if done in ("clock_aside", "clock_back")]
        return [state for state, _ in itertools.groupby(states)].count(state)

    def wait_for(self, state, count=1):
        wait_for(f"{state} of the worker whose clock is set", lambda: self.times(state) >= count)


@unittest.skipUnless(LIBRARIES, "takes the package faketime")
class ClockTest(SystemTest):
    POOLS = {"transactions": 1}
    UP = ("--metrics",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = iter(range(10240, 1 << 20))
        with cls.cluster.client() as client:
            assert set(client.open_accounts(ACCOUNTS)) == {"created"}

    def tearDown(self):
        self.cluster.up()

    def pay(self, **fields):
        """Its id, when it was created at once."""
        number = next(self.ids)
        self.assertEqual(self.client.pay(number, ACCOUNTS[0], ACCOUNTS[number % 3 + 1], 1, **fields),
                         "created")
        return number

    def hold(self, seconds):
        return self.pay(flags=PENDING, timeout=seconds)

    def status(self, hold):
        return self.one(hold % 1024 % 2,
                        f"SELECT status FROM pending_transfers WHERE id = '{uuid(hold)}'")

    def one(self, shard, query):
        [[value]] = self.cluster.sql(shard, query)
        return int(value)

    def latest(self):
        """How far the books are ahead of this machine, in seconds."""
        now = time.time()
        return max(self.one(shard, "SELECT max(timestamp_last) FROM accounts") / 1e9 - now
                   for shard in range(self.SHARDS))

    def expect_nothing_written(self, seconds, word):
        hold, before = self.hold(HOUR_S * 2), self.latest()
        self.cluster.end("transactions-1")
        with Odd(self.cluster, seconds) as odd:
            odd.wait_for("clock_aside")
            reply = pb.Reply()
            request = pb.CreateTransfersRequest(transfers=[
                wire.transfer(next(self.ids), ACCOUNTS[0], ACCOUNTS[1], 1)])
            try:
                reply = self.client.call("transactions", 3, create_transfers=request)
                self.assertNotEqual(reply.status, pb.STATUS_OK)
            except wire.NoAnswer:
                pass  # no worker is there to give one
            self.assertEqual(self.status(hold), OPEN)
            self.cluster.up()
            for _ in range(30):
                self.pay()
            self.assertEqual(self.status(hold), OPEN)
            lines = odd.lines("clock_aside")  # of two clocks, and of three, which tell whose it is
            self.assertLessEqual(len(lines), self.SHARDS, lines)
            self.assertIn(word, lines[-1])
            self.assertEqual(odd.lines("expired"), [])
            self.assertEqual(odd.process.poll(), None)
        self.assertLess(max(before, self.latest()), 1)

    def test_hours_ahead(self):
        self.expect_nothing_written(8 * HOUR_S, "ahead of agreed time")

    def test_years_ahead(self):
        self.expect_nothing_written(3650 * DAY_S, "ahead of agreed time")

    def test_a_day_behind(self):
        self.expect_nothing_written(-DAY_S, "behind agreed time")

    def test_one_that_is_right_again_serves_again(self):
        self.cluster.end("transactions-1")
        with Odd(self.cluster, 0) as odd:
            self.pay()
            for turn in (1, 2):
                odd.set(HOUR_S)
                odd.wait_for("clock_aside", turn)
                odd.set(0)
                odd.wait_for("clock_back", turn)
                wait_for("the worker to be back", lambda: odd.lines("broker_connected")[turn:])
                self.pay()
        self.assertLess(self.latest(), 1)

    def test_nobody_is_refused_when_a_clock_steps(self):
        with Odd(self.cluster, 0) as odd:
            for turn in (1, 2, 3):
                odd.set(HOUR_S)
                while odd.times("clock_aside") < turn:
                    number = next(self.ids)  # the one that wrote it may not be the one that answers
                    self.assertIn(self.client.pay(number, ACCOUNTS[0], ACCOUNTS[1], 1),
                                  ("created", "exists"))
                odd.set(0)
                while odd.times("clock_back") < turn:
                    self.pay()

    def test_holds_end_in_time_beside_one_that_is_wrong(self):
        with Odd(self.cluster, -DAY_S) as odd:
            odd.wait_for("clock_aside")
            hold, began = self.hold(HOLD_S), time.monotonic()
            wait_for("the hold's end", lambda: self.status(hold) != OPEN)
            self.assertGreater(time.monotonic() - began, HOLD_S - 0.1)
            self.assertLess(time.monotonic() - began, HOLD_S + 2)

    def test_an_operator_sees_all_clocks(self):
        said = self.cluster.admin("clocks").stdout
        self.assertRegex(said, r"^own -?0\.\d{3} s, shard 0 -?0\.\d{3} s, shard 1 -?0\.\d{3} s$")

    def test_metrics_say_it(self):
        series = self.cluster.scrape("transactions-1")
        self.assertEqual(series["florin_clock_agreed"], 1)
        for clock in ("own", "shard 0", "shard 1"):
            self.assertLess(abs(series[f'florin_clock_ahead_seconds{{clock="{clock}"}}']), 1)


if __name__ == "__main__":
    unittest.main()
