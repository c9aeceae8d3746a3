"""The transactions worker dies at every step of a batch across shards, and the books are whole.

Needs the programs of a build with failpoints (make failpoints)."""
import collections
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
FAILPOINTS = sorted({name for source in (wire.REPO / "store").rglob("*.c")
                     for place in re.findall(r"FLORIN_FAILPOINT\((.+)\);", source.read_text())
                     for name in re.findall(r'"(\w+)"', place)})
# Those that a batch passes once for each shard but the home, at the second of them, too.
POINTS = FAILPOINTS + [f"{name}:2" for name in FAILPOINTS if name.endswith("_some")]
# Whether a batch that died there has happened. At those left out, both are right.
NOT_DONE = {"store_locked", "store_applied", "store_written", "store_prepared_some",
            "store_prepared_some:2", "store_prepared"}
DONE = {"store_decided", "store_committed_some", "store_committed_some:2", "store_committed"}
# Where a worker dies that posts and voids, and one that sweeps; test/store/crash_test.c has all.
RESOLVING_POINTS = ["store_prepared", "store_committed_some"]
SWEEP_POINTS = ["store_prepared_some", "store_decided"]
OPEN, POSTED, VOIDED, EXPIRED = "1234"


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

    def hold(self, timeout=0):
        """Pending transfers between every two accounts, created."""
        held = self.batch(0)
        for transfer in held:
            transfer.flags = pb.TRANSFER_FLAG_PENDING
            transfer.timeout = timeout
        self.assertEqual({wire.result_name(o.result) for o in self.client.transfer(*held)},
                         {"created"})
        return held

    def resolving(self, held):
        """Posts each second one, in part, and voids the others; their accounts are left out."""
        return [pb.Transfer(id=wire.id_bytes(self.first_id + len(held) + i), pending_id=t.id,
                            amount=i % 2 * (t.amount - 1),
                            flags=pb.TRANSFER_FLAG_POST_PENDING_TRANSFER if i % 2
                            else pb.TRANSFER_FLAG_VOID_PENDING_TRANSFER)
                for i, t in enumerate(held)]

    def statuses(self, held):
        """How many of them have which status. When no batch is under way, it is the same on all
        shards that have one."""
        ids = ", ".join(f"'{uuid(wire.id_number(t.id))}'" for t in held)
        found = {tuple(row) for shard in range(self.SHARDS) for row in self.cluster.sql(
            shard, f"select id, status, resolved_at from pending_transfers where id in ({ids})")}
        return dict(collections.Counter(status for _, status, _ in found))

    def audit_pending(self):
        """What accounts hold is the sum of what is open."""
        for shard in range(self.SHARDS):
            for side in ("debit", "credit"):
                wrong = self.cluster.sql(shard, f"""select id from accounts a
                    where {side}s_pending <> (select coalesce(sum(amount), 0)
                    from pending_transfers where status = 1 and {side}_account_id = a.id)""")
                self.assertEqual(wrong, [])
        self.cluster.audit()

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

    def resolving_killed_at(self, point):
        held = self.hold()
        batch = self.resolving(held)
        pid = self.start_armed(point)
        self.submit(batch)
        wait_for("a death", lambda: not alive(pid))
        self.cluster.end("broker-1", "KILL")  # nobody asks again
        self.cluster.up()
        self.audit_pending()
        half = len(held) // 2
        self.assertEqual(self.statuses(held), {OPEN: len(held)} if point in NOT_DONE
                         else {POSTED: half, VOIDED: half})
        outcomes = self.client.transfer(*batch)
        self.assertEqual({wire.result_name(o.result) for o in outcomes},
                         {"created" if point in NOT_DONE else "exists"})
        self.assertEqual(self.statuses(held), {POSTED: half, VOIDED: half})
        self.audit_pending()

    def sweep_killed_at(self, point):
        """Nobody asks for anything: the worker sweeps, and dies of it; another one goes on."""
        held = self.hold(timeout=10)
        pid = self.start_armed(point)
        self.assertEqual(self.statuses(held), {OPEN: len(held)}, "it took too long to begin")
        wait_for("a death", lambda: not alive(pid))
        self.cluster.up()
        wait_for("all to expire", lambda: self.statuses(held) == {EXPIRED: len(held)})
        self.audit_pending()

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
    for point in RESOLVING_POINTS:
        setattr(CrashTest, f"test_resolving_killed_at_{point}",
                test(CrashTest.resolving_killed_at, point))
    for point in SWEEP_POINTS:
        setattr(CrashTest, f"test_sweep_killed_at_{point}", test(CrashTest.sweep_killed_at, point))


_add_tests()
