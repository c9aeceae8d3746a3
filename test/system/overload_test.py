"""More is asked than can be done: what is taken in is done in time, the rest is refused at once, and
nothing grows. How fast is asked of nobody here."""
import json
import subprocess
import time

from cluster import BIN, SystemTest
from faults_test import SANITIZED

ACCOUNTS = (1, 2)
CLIENTS = 4
BATCH = 50  # of these, what a pool takes in at any pace is done in no time
SECONDS = 5
GROWTH_KIB_MAX = (600 if SANITIZED else 64) * 1024


class OverloadTest(SystemTest):
    def load(self, *options):
        done = subprocess.run(
            [BIN / "florin-bench", "--config", self.cluster.dir / "client.zpl", "--json",
             "--shards=2", f"--batch={BATCH}", f"--clients={CLIENTS}", "--warm-up=0", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout), done.stderr

    def memory(self):
        return {name: self.cluster.rss_kib(name) for name in self.cluster.names()
                if not name.startswith("shard")}

    def pool(self):
        return next(pool for pool in self.client.call("florin.broker").broker_status.pools
                    if pool.service == "transactions")

    def test_what_is_too_much_is_refused_and_the_rest_is_done(self):
        self.client.open_accounts(ACCOUNTS)
        peak, _ = self.load("--in-flight=4", "--seconds=2")
        before, refused_before = self.memory(), self.pool().busy
        result, said = self.load("--in-flight=1024", f"--seconds={SECONDS}", "--once",
                                 f"--rate={4 * peak['per_second'] + 4 * BATCH}", "--tail=1",
                                 f"--tail-rate={BATCH}")
        # All that was sent had an answer, and BUSY was the only refusal.
        self.assertEqual((result["errors"], result["refused"], result["verified"]), (0, 0, True),
                         said)
        self.assertEqual(result["created"] + result["busy"], result["requests"] * BATCH)
        self.assertGreater(result["created"], 0)
        # Of what was refused, clients held some back when the pool had refused some.
        refused = (self.pool().busy - refused_before) * BATCH
        self.assertGreater(refused, 0)
        self.assertLess(refused, result["busy"])
        # Far less than what a queue of thousands would take, and than what makes clients ask again.
        self.assertLess(result["max_ms"], 10000)
        for name, kib in self.memory().items():
            self.assertLess(kib - before[name], GROWTH_KIB_MAX, name)
        # Nothing is left of it: a pool that is empty has all its room, and serves whoever comes.
        self.assertEqual((self.pool().queued_requests, self.pool().queue_requests_max), (0, 8192))
        self.assertEqual(self.client.pay(time.time_ns(), *ACCOUNTS, 1), "created")
        self.cluster.audit()
