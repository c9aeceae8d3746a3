"""florin-bench and bench/run: what they print, and that they see what is wrong. No speed is asked."""
import collections
import json
import subprocess
import time
import unittest

import wire
from cluster import BIN, SystemTest, uuid, wait_for

CODE = 7077  # of the bench's accounts and transfers
FIGURES = {"per_second", "p50_ms", "p99_ms", "p999_ms", "max_ms"}
COUNTS = {"seconds", "requests", "created", "refused", "errors", "lost", "doubled", "busy",
          "busy_p50_ms", "busy_p99_ms", "busy_max_ms", "offered_per_second", "unsent", "tail",
          "verified"}
IDLE = 2  # an account that counts among the bench's, but that no transfer touches; on shard 0


class BenchTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.florin("account", "open", IDLE, "--currency", "EUR", "--code", CODE)

    def command(self, *options):
        return [str(word) for word in (BIN / "florin-bench", "--config",
                                       self.cluster.dir / "client.zpl", "--json", "--seconds=0.6",
                                       "--warm-up=0.2", *options)]

    def bench(self, *options, exit_code=0):
        done = subprocess.run(self.command(*options), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return json.loads(done.stdout) if exit_code == 0 else done.stdout + done.stderr

    def start(self, *options):
        """In the background, and at work."""
        before = len(self.transfers())
        process = subprocess.Popen(self.command(*options), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for("the first transfers", lambda: len(self.transfers()) > before)
        return process

    def transfers(self):
        """Of the bench: how many shards hold each, and between which accounts it is."""
        rows = collections.Counter()
        for shard in range(self.cluster.shards):
            rows.update(map(tuple, self.cluster.sql(
                shard, "select id, debit_account_id, credit_account_id from transfers"
                f" where code = {CODE} and result = 0")))
        return rows

    def new_transfers(self, *options):
        before = self.transfers()
        result = self.bench(*options)
        rows = self.transfers() - before
        self.assertEqual(len(rows), result["created"])
        return result, rows

    def check(self, result):
        self.assertEqual(set(result), FIGURES | COUNTS)
        self.assertEqual((result["refused"], result["errors"], result["verified"]), (0, 0, True))
        self.assertGreater(result["per_second"], 0)
        self.assertLessEqual(result["p50_ms"], result["p99_ms"])
        self.assertLessEqual(result["p99_ms"], result["p999_ms"])
        self.assertLessEqual(result["p999_ms"], result["max_ms"])

    def test_what_it_says_is_in_the_books(self):
        result, rows = self.new_transfers("--clients=5", "--in-flight=2", "--batch=20")
        self.check(result)
        self.assertEqual(result["created"], 20 * result["requests"])
        self.assertTrue(rows)
        self.cluster.audit()

    def test_share_of_transfers_that_cross(self):
        for percent in (0, 50, 100):
            result, rows = self.new_transfers("--shards=2", f"--shards-crossing={percent}",
                                              "--batch=500")
            self.check(result)
            crossing = sum(shards - 1 for shards in rows.values())
            self.assertAlmostEqual(crossing / len(rows), percent / 100,
                                   delta=0.15 if percent == 50 else 0)

    def test_one_hot_account(self):
        _, rows = self.new_transfers("--hot", "--clients=4")
        self.assertEqual(len({credit for _, _, credit in rows}), 1)
        self.assertGreater(len({debit for _, debit, _ in rows}), 1)

    def test_ping_moves_nothing(self):
        result, rows = self.new_transfers("--ping", "--clients=3")
        self.check(result)
        self.assertFalse(rows)
        self.assertGreater(result["requests"], 3)

    def test_skew(self):
        _, rows = self.new_transfers("--zipf=2", "--accounts=100", "--batch=500")
        debits = collections.Counter(debit for _, debit, _ in rows)
        (_, first), (_, second) = debits.most_common(2)
        # The sum of 1 / n^2 is 1.64.
        self.assertAlmostEqual(first / len(rows), 0.61, delta=0.1)
        self.assertAlmostEqual(second / len(rows), 0.15, delta=0.08)

    def test_open_loop_sends_all_that_came_due(self):
        result, _ = self.new_transfers("--rate=200", "--batch=2", "--clients=2")
        self.check(result)
        self.assertIn(result["requests"], (80, 81))  # 0.8 s of 100 a second

    def test_open_loop_counts_a_stall(self):
        bench = self.start("--rate=100", "--clients=1", "--seconds=3")
        with self.paused("broker-1"):
            time.sleep(2)
        output, _ = bench.communicate(timeout=60)
        result = json.loads(output.splitlines()[-1])
        self.assertTrue(result["verified"], output)
        # One request was under way; two hundred came due behind it, and are late with it.
        self.assertGreater(result["p50_ms"], 200)

    def test_sees_money_that_nobody_moved(self):
        """On the books' own side of a transfer, so that debits and credits are still equal."""
        bench = self.start("--seconds=2")
        change = ("update accounts set debits_posted = debits_posted {0} 5, credits_posted ="
                  f" credits_posted {{0}} 5 where id = '{uuid(IDLE)}'")
        self.cluster.sql(0, change.format("+"))
        output, _ = bench.communicate(timeout=60)
        self.cluster.sql(0, change.format("-"))
        self.assertEqual(bench.returncode, 1, output)
        self.assertRegex(output, '"verified": false')
        self.assertRegex(output, r"the books moved \d+ minor units; \d+ were acknowledged")

    def test_sees_debits_without_credits(self):
        self.bench()
        self.cluster.sql(0, "update accounts set debits_posted = debits_posted + 1"
                            f" where id = '{uuid(IDLE)}'")
        output = self.bench(exit_code=1)
        self.cluster.sql(0, "update accounts set debits_posted = debits_posted - 1"
                            f" where id = '{uuid(IDLE)}'")
        self.assertIn("debits and credits differ", output)

    def test_wrong_usage(self):
        for wrong in ("--clients=0", "--clients=many", "--batch=8191", "--shards-crossing=50",
                      "--accounts=1", "--rate=-1", "--zipf=nan", "--no-such-option"):
            with self.subTest(wrong):
                self.bench(wrong, exit_code=2)


class RunTest(unittest.TestCase):
    """bench/run starts clusters of its own."""

    def test_lines_of_json(self):
        rows = ["pgbench_best", "raw_two_shards", "raw_lone", "lone_1"]
        done = subprocess.run([wire.REPO / "bench/run", "--bin", BIN, "--seconds=1",
                               "--warm-up=0.5", f"--rows={','.join(rows)}", "quick"],
                              capture_output=True, text=True, timeout=170)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["name"] for line in lines], rows)
        for line in lines:
            self.assertLessEqual(FIGURES, set(line), line)
            if line["name"] != "raw_two_shards":  # its batches may take longer than all this
                self.assertGreater(line["per_second"], 0, line)
        self.assertEqual(lines[-1]["peer"], "raw_lone")
        self.assertAlmostEqual(lines[-1]["ratio"], lines[-1]["p50_ms"] / lines[-2]["p50_ms"], 2)
        self.assertNotIn("peer", lines[0])
