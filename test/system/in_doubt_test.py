"""A transactions worker dies or stops in the middle of a batch across shards; another one ends what
it left prepared, soon, and only as the home shard says.

Needs the programs of a build with failpoints (make failpoints)."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import wire
from cluster import SystemTest, alive, wait_for
from wire import pb

BIN = pathlib.Path(os.environ.get("FLORIN_BIN_FAILPOINTS",
                                  wire.REPO / "build/failpoints/bin")).resolve()
SOON_S = 2  # as promised, after a death or the return of a home shard
KEPT_S_MAX = 4.5  # locks of a stopped worker: 2.25 s, and 5 where only the server's patience ends it
UNDECIDED = "store_prepared"
DECIDED = "store_decided"


def state(pid):
    """As in /proc: R, S, T when it is stopped."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@unittest.skipUnless((BIN / "florin-transactions").exists(),
                     f"no build with failpoints in {BIN} (make failpoints)")
class InDoubtTest(SystemTest):
    BIN = BIN
    POOLS = {"transactions": 2}
    UP = ("--metrics",)
    DEBIT, CREDIT = 1002, 1003  # on shard 0, which is home, and on shard 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts([cls.DEBIT, cls.CREDIT])) == {"created"}

    def setUp(self):
        super().setUp()
        self.paid = []
        self.logged = len(self.cluster.log("transactions-2"))

    def tearDown(self):
        self.cluster.up()
        self.cluster.audit(self.paid)

    def arm(self, point, **env):
        """Starts transactions-1 so that it dies at the point, and returns its pid."""
        self.cluster.end("transactions-1", "KILL")
        self.cluster.up(env={"FLORIN_FAILPOINT": point, **env})
        return self.cluster.pid("transactions-1")

    def pay_until(self, happened):
        """Pays, once for each answer, until it has happened; returns the last payment's id."""
        for _ in range(50):
            self.paid.append(time.time_ns())
            self.client.submit("transactions", create_transfers=pb.CreateTransfersRequest(
                transfers=[wire.transfer(self.paid[-1], self.DEBIT, self.CREDIT, 1)]))
            wait_for("an answer or the event", lambda: self.client.socket.poll(10) or happened())
            if happened():
                return self.paid[-1]
            self.assertEqual(self.client.reply().status, pb.STATUS_OK)
        raise AssertionError("it did not happen in 50 payments")

    def prepared(self):
        return self.cluster.sql(1, "select gid from pg_prepared_xacts")

    def ruling(self, gid):
        (ruling,), = self.cluster.sql(0, "select decision from decisions"
                                         f" where batch = '{gid.split(':')[2]}'")
        return ruling

    def is_held(self, gid):
        """Whether the batch's transaction at home has not ended."""
        key = gid.split(":")[2].replace("-", "")[16:]
        return self.cluster.sql(0, "select pid from pg_locks where locktype = 'advisory' and"
                                   f" classid = {int(key[:8], 16)} and objid = {int(key[8:], 16)}")

    def said(self, event):
        """What transactions-2 has logged under this name since the test began."""
        entries = map(json.loads, self.cluster.log("transactions-2")[self.logged:].splitlines())
        return [e["message"] for e in entries if e["event.action"] == event]

    def ended_soon(self, since, after):
        wait_for("prepared transactions to end", lambda: not self.prepared(),
                 SOON_S - (time.monotonic() - since))
        print(f"ended {time.monotonic() - since:.2f} s after {after}", end=" ", flush=True)

    def settle(self, paid):
        """Whoever asks again learns that it is there, once: audited in the end."""
        def is_there():
            reply = self.client.call("transactions", 30, create_transfers=pb.CreateTransfersRequest(
                transfers=[wire.transfer(paid, self.DEBIT, self.CREDIT, 1)]))
            self.assertIn(reply.status, (pb.STATUS_OK, *wire.AGAIN), reply)
            return reply.status == pb.STATUS_OK and wire.result_name(
                reply.create_transfers.results[0].result) in ("created", "exists")
        wait_for("the payment to be there", is_there)

    def dead_at(self, point, verb):
        pid = self.arm(point)
        paid = self.pay_until(lambda: not alive(pid))
        self.ended_soon(time.monotonic(), "the death")
        self.assertEqual([verb in said for said in self.said("in_doubt_ended")], [True])
        self.settle(paid)

    def test_dead_before_the_decision(self):
        self.dead_at(UNDECIDED, "ROLLBACK PREPARED")

    def test_dead_after_the_decision(self):
        self.dead_at(DECIDED, "COMMIT PREPARED")

    def home_answers(self):
        try:
            return self.cluster.sql(0, "select 1")
        except subprocess.CalledProcessError:
            return []

    def waiting(self):
        return self.cluster.scrape("transactions-2")["florin_in_doubt_waiting"]

    def home_away(self, point, ruling):
        pid = self.arm(point)
        with self.paused("transactions-2"):
            paid = self.pay_until(lambda: not alive(pid))
            (gid,), = wait_for("what it left", self.prepared)
            self.cluster.end("shard-0", "INT")
        wait_for("the log to say that it waits",
                 lambda: any("shard 0, cannot be asked" in said for said in self.said("in_doubt")))
        wait_for("the metric to say so, too", lambda: self.waiting() == 1)
        self.assertEqual(self.prepared(), [[gid]])
        up = threading.Thread(target=self.cluster.up)
        up.start()
        wait_for("the home shard", self.home_answers, 60)
        self.ended_soon(time.monotonic(), "the return of its home")
        up.join()
        wait_for("the metric to fall", lambda: self.waiting() == 0)
        self.assertEqual(self.ruling(gid), ruling)
        self.settle(paid)

    def test_home_away_before_the_decision(self):
        self.home_away(UNDECIDED, "abort")

    def test_home_away_after_the_decision(self):
        self.home_away(DECIDED, "commit")

    @contextlib.contextmanager
    def stopped(self, point):
        """transactions-1 stops there in the middle of a payment and goes on in the end; gives the
        payment and what was prepared. Meanwhile, another worker has fenced the batch off and rolled
        it back."""
        pid = self.arm(point, FLORIN_FAILPOINT_STOP="1")
        try:
            paid = self.pay_until(lambda: state(pid) == "T")
            (gid,), = self.prepared()
            wait_for("another worker to lose patience", lambda: not self.prepared())
            self.assertEqual(self.ruling(gid), "abort")
            yield paid, gid
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_a_stopped_worker_keeps_no_locks(self):
        pid = self.arm("store_locked", FLORIN_FAILPOINT_STOP="1")
        try:
            paid = self.pay_until(lambda: state(pid) == "T")
            since = time.monotonic()
            self.settle(paid)
            self.assertEqual(state(pid), "T")
            took = time.monotonic() - since
            self.assertLess(took, KEPT_S_MAX)
            print(f"paid {took:.2f} s after the stop", end=" ", flush=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.cluster.end("transactions-1")

    def test_a_stopped_worker_that_goes_on_meets_the_fence(self):
        with self.stopped(UNDECIDED) as (paid, gid):
            self.assertTrue(self.is_held(gid), "not only the fence keeps it from deciding")
        self.settle(paid)
        self.cluster.end("transactions-1")  # having finished what it had

    def test_a_stopped_worker_that_goes_on_late_finds_it_paid(self):
        with self.stopped(UNDECIDED) as (paid, gid):
            self.settle(paid)
            self.assertFalse(self.is_held(gid), "it still could decide")
        self.cluster.end("transactions-1")
