"""What changes under workers while they run: databases that were migrated for later programs, and a
shard that gets another database."""
import shutil
import subprocess
import threading
import time
import unittest

from cluster import SystemTest, alive, wait_for
from wire import REPO, pb, result_name, transfer


class UpgradeTest(SystemTest):
    DEBIT, CREDIT = 1002, 1003  # on shard 0 and on shard 1

    def setUp(self):
        super().setUp()
        self.sql = self.cluster.dir / "sql"
        shutil.copytree(REPO / "sql", self.sql)
        self.newest = len(list((self.sql / "shard").iterdir()))
        self.paid = []

    def migrate(self, reads, writes, sql):
        """A later file, and the numbers of the oldest programs that it lets read and write."""
        later = max(int(path.name[:4]) for path in (self.sql / "shard").iterdir()) + 1
        (self.sql / "shard" / f"{later:04}_later.sql").write_text(
            f"-- florin: reads {later if not reads else self.newest},"
            f" writes {later if not writes else self.newest}\n{sql}\n")
        self.cluster.admin("migrate", "--sql", self.sql)

    def pay(self):
        """The status of one payment across shards."""
        self.paid.append(5000 + 2 * len(self.paid))
        reply = self.client.call("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=[transfer(self.paid[-1], self.DEBIT, self.CREDIT, 1)]))
        if reply.status != pb.STATUS_OK:
            self.paid.pop()
        return reply.status

    def warnings(self):
        return self.cluster.log("transactions-1").count('"too_old"')

    def test_old_workers_over_later_schemas(self):
        self.assertEqual(set(self.client.open_accounts([self.DEBIT, self.CREDIT])), {"created"})
        self.assertEqual(self.pay(), pb.STATUS_OK)

        self.migrate(True, True, "ALTER TABLE transfers ADD COLUMN colour integer;")
        self.assertEqual(self.pay(), pb.STATUS_OK)
        self.cluster.restart_workers()
        self.assertEqual(self.pay(), pb.STATUS_OK)
        self.assertEqual(self.warnings(), 0)

        self.migrate(True, False, "CREATE TABLE later (n integer);")
        for _ in range(5):
            self.assertEqual(self.pay(), pb.STATUS_UNAVAILABLE)
        self.assertEqual(self.client.balances(self.DEBIT), {self.DEBIT: -3})
        self.assertGreater(self.warnings(), 0)
        self.assertLess(self.warnings(), 16)  # once for each shard and lane
        self.assertEqual(self.cluster.log("transactions-1").count('"internal"'), 0)

        self.cluster.audit(self.paid)

        self.migrate(False, False, "CREATE TABLE latest (n integer);")
        self.cluster.end("transactions-1")
        self.cluster.ops("start", "transactions-1", "--dir", self.cluster.dir)
        wait_for("a worker that can do nothing to end",
                 lambda: not alive(self.cluster.pid("transactions-1")))
        self.assertIn("update the program", self.cluster.log("transactions-1"))


class MoveTest(SystemTest):
    POOLS = {"transactions": 2}
    DEBIT, CREDIT = 1002, 1003  # on shard 0 and on shard 1

    def pay(self, stop, paid):
        """Pays until it is told to stop; each again with the same id until it is known how it ended."""
        with self.cluster.client() as client:
            for number in range(5000, 100000, 2):
                if stop.is_set():
                    return
                deadline = time.monotonic() + 30
                while True:
                    reply = client.call("transactions", create_transfers=pb.CreateTransfersRequest(
                        transfers=[transfer(number, self.DEBIT, self.CREDIT, 1)]))
                    if reply.status == pb.STATUS_OK:
                        break
                    assert time.monotonic() < deadline, reply
                if result_name(reply.create_transfers.results[0].result) == "created":
                    paid.append(number)  # else risk was away, whose worker was restarted as well

    def superuser(self, sql):
        subprocess.run(["psql", "-Xqc", sql, self.cluster.conninfo(1) + " user=postgres dbname=postgres"],
                       check=True, capture_output=True, timeout=60)

    def more(self, paid, count=20):
        least = len(paid) + count
        wait_for("more payments", lambda: len(paid) >= least, 30)

    def test_a_shard_moves_under_payments(self):
        self.assertEqual(set(self.client.open_accounts([self.DEBIT, self.CREDIT])), {"created"})
        stop, paid = threading.Event(), []
        thread = threading.Thread(target=self.pay, args=(stop, paid), daemon=True)
        thread.start()
        try:
            self.more(paid)
            self.cluster.admin("shards", "retire", 1)
            self.superuser("CREATE DATABASE moved TEMPLATE florin OWNER florin")
            self.cluster.admin("shards", "move", 1, self.cluster.conninfo(1) + " dbname=moved")
            self.more(paid)
            self.cluster.restart_workers()
            self.more(paid)
        finally:
            stop.set()
            thread.join(60)
        count = self.cluster.sql(1, "select count(*) from transfers")
        self.cluster.conninfos[1] += " dbname=moved"
        self.assertLess(int(count[0][0]), len(paid))
        self.cluster.audit(paid)


if __name__ == "__main__":
    unittest.main()
