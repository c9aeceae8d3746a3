"""florin verify on a cluster: under load, stopped, damaged, and with a shard away."""
import json
import shutil
import subprocess

from cluster import Payer, SystemTest, uuid, wait_for

ACCOUNTS = range(1, 41)
ROUNDS = 4


class VerifyTest(SystemTest):
    SHARDS = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.florin("account", "open", *ACCOUNTS, "--currency", "EUR", "--code", 1)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cluster.up)

    def pay(self, transfer, debit, credit):
        self.cluster.florin("transfer", debit, credit, "1.00", "EUR", "--id", transfer)

    def stop(self):
        """All but the databases."""
        self.cluster.ops("down", "--dir", self.cluster.dir)
        self.cluster.ops("up", "--postgres-only", "--dir", self.cluster.dir)
        self.assertEqual(self.cluster.names(), ["shard-0", "shard-1", "shard-2"])

    def verify(self, *options, exit_code=0):
        """The report, by check."""
        report = json.loads(self.cluster.verify("--json", *options, exit_code=exit_code).stdout)
        return report, {check["name"]: check for check in report["checks"]}

    def test_books_under_load_are_whole(self):
        with Payer(self.cluster, ACCOUNTS, 10**6) as payer:
            seen = []
            for _ in range(ROUNDS):
                payer.wait_for_more(100)
                report, checks = self.verify()
                self.assertEqual((report["books"], report["findings"]), ("whole", 0))
                seen.append(checks["transfers"]["checked"])
        self.assertEqual(payer.surprises, [])
        self.assertEqual(seen, sorted(set(seen)), "each time there are more")
        self.assertEqual(checks["accounts"]["checked"], len(ACCOUNTS))
        self.assertEqual(checks["chains"]["checked"], 2 * seen[-1])

    def test_a_stopped_cluster_is_whole(self):
        self.pay(500, 1, 2)
        self.stop()
        self.assertIn("The books are whole.", self.cluster.verify().stdout)
        self.assertIn("The books are whole.",
                      self.cluster.ops("verify", "--dir", self.cluster.dir, "--show", 3))

    def test_what_is_damaged_is_named(self):
        for transfer in range(600, 610):
            self.pay(transfer, 1, 2)
        damaged = f"id >= '{uuid(600)}' and id < '{uuid(610)}'"
        self.cluster.sql(1, f"update transfers set amount = amount + 1 where {damaged}")
        try:
            report = self.cluster.verify("--show", 2, exit_code=1).stdout
            as_json, checks = self.verify(exit_code=1)
        finally:
            self.cluster.sql(1, f"update transfers set amount = amount - 1 where {damaged}")
        self.assertRegex(report, r"transfer 600 on shard \d: differs from its copy on shard \d: amount")
        self.assertNotIn("transfer 602 ", report)
        self.assertIn("    and 18 more; --show N names them", report)
        self.assertRegex(report, r"The books are BROKEN: \d+ findings\.")
        self.assertEqual(as_json["books"], "broken")
        self.assertEqual(checks["transfers"]["findings"], 20)
        self.assertEqual([found["subject"] for found in checks["transfers"]["shown"]],
                         [f"transfer {n}" for n in range(600, 610) for _ in ("copy", "seal")])
        self.verify()

    def test_the_result_as_metrics(self):
        self.pay(700, 1, 2)
        file = self.cluster.dir / "verify.prom"
        self.cluster.verify("--metrics", file)
        whole = file.read_text()
        self.assertIn('florin_verify_findings{check="transfers"} 0\n', whole)
        self.assertIn('florin_verify_done{check="seals"} 1\n', whole)
        self.assertRegex(whole, r'florin_verify_checked\{check="transfers"\} [1-9]')
        self.assertRegex(whole, r"\nflorin_verify_timestamp_seconds 1\d{9}\n")
        place = f"id = '{uuid(700)}'"
        shards = [shard for shard in range(self.SHARDS)
                  if self.cluster.sql(shard, f"select id from transfers where {place}")]
        self.cluster.sql(shards[0], f"update transfers set code = code + 1 where {place}")
        try:
            self.cluster.verify("--metrics", file, exit_code=1)
        finally:
            self.cluster.sql(shards[0], f"update transfers set code = code - 1 where {place}")
        self.assertRegex(file.read_text(), r'florin_verify_findings\{check="transfers"\} [1-9]')
        self.assertIn("can't write /nowhere/file",
                      self.cluster.verify("--metrics", "/nowhere/file", exit_code=2).stderr)

    def test_a_shard_that_is_away_is_named(self):
        self.cluster.end("shard-1", "QUIT")
        done = self.cluster.verify(exit_code=2)
        self.assertIn("shard 1: ", done.stderr)
        self.assertEqual(done.stdout, "The books are not checked.\n")
        report, _ = self.verify(exit_code=2)
        self.assertIn("shard 1: ", report["error"])

    def test_what_is_in_doubt_is_named(self):
        """Undecided, it keeps nothing from being checked; half done, it does."""
        self.stop()
        gid = f"florin:0:{uuid(77)}:1"
        self.cluster.sql(1, f"begin; update accounts set code = code; prepare transaction '{gid}'")
        report, checks = self.verify("--older-than", 0, exit_code=1)
        self.assertNotIn("error", report)
        self.assertEqual(report["findings"], 1)
        self.assertIn(f"prepared transaction {gid}",
                      [found["subject"] for found in checks["in-doubt"]["shown"]])
        [[number]] = self.cluster.sql(1, "select transaction from pg_prepared_xacts")
        self.cluster.sql(0, f"begin; insert into decisions values ('{uuid(77)}', 'commit');"
                            f"insert into crossings (batch, shards, transactions) values ('{uuid(77)}',"
                            f" '{{0,1}}', array[pg_current_xact_id()::text::bigint, {number}]); commit")
        half = self.cluster.verify("--older-than", 0, exit_code=1)
        self.assertIn(f"prepared transaction {gid} on shard 1: ", half.stdout)
        self.assertIn(f"batch {uuid(77)} is committed on one shard and not yet on shard 1", half.stderr)
        self.cluster.up()
        wait_for("a worker to end it", lambda: not self.cluster.in_doubt(), 30)
        self.verify()

    # ------------------------------------------------------------------------------- command line

    def test_where_the_books_are(self):
        florin = self.cluster.bin / "florin"
        configured = subprocess.run(
            [florin, "verify", "--config", self.cluster.dir / "etc/transactions.zpl"],
            capture_output=True, text=True, timeout=60, check=True)
        self.assertIn("The books are whole.", configured.stdout)
        self.assertIn("--control, or --config with store/control, is missing",
                      self.cluster.florin("verify", exit_code=2).stderr)
        for words in (("--timeout", "0"), ("--show", "x"), ("--older-than", "-1"), ("--no-such",)):
            self.cluster.verify(*words, exit_code=2)
        for control in ("host=/nowhere", "no conninfo"):
            done = subprocess.run([florin, "verify", "--control", control], capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("control: ", done.stderr)

    def test_florin_without_florin_admin(self):
        alone = self.cluster.dir / "florin"
        shutil.copy(self.cluster.bin / "florin", alone)
        done = subprocess.run([alone, "verify", "--control", "dbname=x"], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{self.cluster.dir}/florin-admin cannot be run: No such file", done.stderr)
