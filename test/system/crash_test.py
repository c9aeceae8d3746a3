"""The transactions worker dies at every step of a batch across shards, and the books are whole.

Needs the programs of a build with failpoints (make failpoints)."""
import os
import pathlib
import re
import time
import unittest

import wire
from cluster import SystemTest, alive, uuid, wait_for
from wire import pb

BIN = pathlib.Path(os.environ.get("FLORIN_BIN_FAILPOINTS",
                                  wire.REPO / "build/failpoints/bin")).resolve()
FAILPOINTS = sorted({name for source in (wire.REPO / "store").glob("*.c")
                     for place in re.findall(r"FLORIN_FAILPOINT\((.+)\);", source.read_text())
                     for name in re.findall(r'"(\w+)"', place)})
# Those that a batch passes once for each shard but the home, at the second of them, too.
POINTS = FAILPOINTS + [f"{name}:2" for name in FAILPOINTS if name.endswith("_some")]
# Whether a batch that died there has happened. At those left out, both are right.
NOT_DONE = {"store_locked", "store_applied", "store_written", "store_prepared_some",
            "store_prepared_some:2", "store_prepared"}
DONE = {"store_decided", "store_committed_some", "store_committed_some:2", "store_committed"}


@unittest.skipUnless((BIN / "florin-transactions").exists(),
                     f"no build with failpoints in {BIN} (make failpoints)")
class CrashTest(SystemTest):
    BIN = BIN
    SHARDS = 3
    POOLS = {"transactions": 1}
    ACCOUNTS = range(1, 7)  # two on each shard

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts(cls.ACCOUNTS)) == {"created"}

    def setUp(self):
        super().setUp()
        self.first_id = time.time_ns()

    def tearDown(self):
        self.cluster.up("--pool", "transactions=1")

    def batch(self, number):
        """A transfer between every two accounts: across every two shards."""
        pairs = [(d, c) for d in self.ACCOUNTS for c in self.ACCOUNTS if d != c]
        first = self.first_id + number * len(pairs)
        return [wire.transfer(first + i, *pair, 1 + i) for i, pair in enumerate(pairs)]

    def submit(self, batch):
        self.client.submit("transactions",
                           create_transfers=pb.CreateTransfersRequest(transfers=batch))

    def start_armed(self, point):
        """Starts transactions-1 so that it will die at the point."""
        self.cluster.end("transactions-1", "KILL")
        self.cluster.up(env={"FLORIN_FAILPOINT": point})
        return self.cluster.pid("transactions-1")

    def there(self, batch):
        """How many of the batch's transfers the books hold."""
        ids = ", ".join(f"'{uuid(wire.id_number(t.id))}'" for t in batch)
        return len({row[0] for shard in range(self.SHARDS) for row in self.cluster.sql(
            shard, f"select id from transfers where result = 0 and id in ({ids})")})

    def killed_at(self, point):
        pid = self.start_armed(point)
        batches, acknowledged = [], []
        while alive(pid):
            self.assertLess(len(batches), 3, f"the worker passed {point} alive")
            batches.append(self.batch(len(batches)))
            self.submit(batches[-1])
            wait_for("a reply or a death", lambda: self.client.socket.poll(10) or not alive(pid))
            if self.client.socket.poll(0):
                self.assertEqual(self.client.reply().status, pb.STATUS_OK)
                acknowledged += batches[-1]
        # The broker forgets the request with it; only the books can tell what became of it.
        self.cluster.end("broker-1", "KILL")
        self.cluster.up()
        self.cluster.audit([wire.id_number(t.id) for t in acknowledged])
        last = batches[-1]
        count = self.there(last)
        self.assertIn(count, {0} if point in NOT_DONE else {len(last)} if point in DONE
                      else {0, len(last)})
        outcomes = self.client.transfer(*last)
        self.assertEqual({wire.result_name(o.result) for o in outcomes},
                         {"exists" if count else "created"})
        self.cluster.audit([wire.id_number(t.id) for batch in batches for t in batch])

    def another_finishes(self, point):
        """The client asks once; the worker that had its batch has died; another one answers."""
        self.cluster.scale("transactions", 2)
        pid = self.start_armed(point)
        acknowledged = []
        for number in range(50):
            batch = self.batch(number)
            outcomes = self.client.transfer(*batch)
            self.assertLessEqual({wire.result_name(o.result) for o in outcomes},
                                 {"created", "exists"})
            acknowledged += [wire.id_number(t.id) for t in batch]
            if not alive(pid):
                break
        self.assertFalse(alive(pid), f"the worker never came to {point}")
        self.cluster.audit(acknowledged)

    def test_the_failpoints_are_those_known_here(self):
        self.assertEqual(set(POINTS), NOT_DONE | DONE | {"store_decision_sent", "store_forgotten"})


def _add_tests():
    def test(method, point):
        return lambda self: method(self, point)
    for point in POINTS:
        name = point.replace(":", "_")
        setattr(CrashTest, f"test_killed_at_{name}", test(CrashTest.killed_at, point))
        setattr(CrashTest, f"test_another_finishes_after_{name}",
                test(CrashTest.another_finishes, point))


_add_tests()
