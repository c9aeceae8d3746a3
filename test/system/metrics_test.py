"""What Prometheus would read of a cluster: each process serves it, in a form that its own checker
accepts, and it says what has happened."""
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

from cluster import SystemTest, wait_for

ADA, BOB, NOBODY = 101, 102, 999


class MetricsTest(SystemTest):
    BROKERS = 2
    UP = ("--metrics",)

    def targets(self):
        """The names of all that serve metrics."""
        for labels, _ in self.cluster.metrics_targets():
            self.assertEqual(labels["job"], "florin-" + labels["instance"].rsplit("-", 1)[0])
        return {labels["instance"] for labels, _ in self.cluster.metrics_targets()}

    def workers(self, pool, series):
        """The sum over the pool's workers, and over the labels of a series that is named without them."""
        return sum(value for name in self.targets() if name.startswith(pool)
                   for found, value in self.cluster.scrape(name).items()
                   if found == series or found.startswith(series + "{"))

    def wait_for(self, name, series, value, seconds=20):
        wait_for(f"{name}: {series} to be {value}",
                 lambda: self.cluster.scrape(name).get(series) == value, seconds)

    def open_accounts(self):
        self.client.open_accounts([ADA, BOB])

    def test_each_process_serves_what_prometheus_takes(self):
        self.open_accounts()
        self.client.pay(1, ADA, BOB, 5)
        names = {name for name in self.cluster.names() if not name.startswith("shard")}
        self.assertEqual(self.targets(), names)
        for name in names:
            with self.subTest(name):
                check = subprocess.run(["promtool", "check", "metrics"], input=self.cluster.metrics(name),
                                       capture_output=True, text=True, timeout=30)
                self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
                program = "florin-" + name.rsplit("-", 1)[0]
                self.assertIn(f'florin_build_info{{program="{program}",version="', self.cluster.metrics(name))

    def test_what_is_not_there_is_refused(self):
        for path, options, code in (("/", {}, 404), ("/metrics", {"data": b"x"}, 405)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.cluster.metrics("broker-1", path, **options)
            self.assertEqual(refused.exception.code, code)
            refused.exception.close()

    def test_payments_are_counted(self):
        self.open_accounts()
        transfers = {result: f'florin_transfers_total{{result="{result}"}}'
                     for result in ("created", "exists", "debit_account_not_found")}
        batches = "florin_worker_batch_seconds_count"
        replied = 'florin_pool_requests_total{pool="transactions",outcome="replied"}'
        risk = 'florin_risk_questions_total{outcome="answered"}'

        def seen():
            return ({result: self.workers("transactions", series)
                     for result, series in transfers.items()},
                    self.workers("transactions", batches), self.workers("transactions", risk),
                    self.workers("transactions", "florin_worker_batch_events_sum"))

        before, batches_before, risk_before, events_before = seen()
        time.sleep(0.5)  # a broker copies its counts four times a second
        replied_before = self.cluster.scrape("broker-1")[replied]
        for number in range(10, 17):
            self.client.pay(number, ADA, BOB, 1)
        self.client.pay(10, ADA, BOB, 1)
        self.client.pay(20, NOBODY, BOB, 1)
        after, batches_after, risk_after, events_after = seen()
        self.assertEqual({result: after[result] - before[result] for result in after},
                         {"created": 7, "exists": 1, "debit_account_not_found": 1})
        # A batch is measured after its replies have left.
        wait_for("the last batch to be measured",
                 lambda: self.workers("transactions", batches) == batches_before + 9)
        self.assertEqual(self.workers("transactions", "florin_worker_batch_events_sum"),
                         events_before + 9)
        self.assertEqual(risk_after, risk_before + 9)
        self.wait_for("broker-1", replied, replied_before + 9)

    def test_a_shard_that_is_away_shows(self):
        self.open_accounts()
        self.client.pay(30, ADA, BOB, 1)
        sessions, faults = ('florin_store_sessions{database="shard 1"}',
                            'florin_store_faults_total{database="shard 1",kind="lost"}')
        opened = 'florin_store_sessions_opened_total{database="shard 1"}'
        before = self.cluster.scrape("transactions-1")
        self.assertGreaterEqual(before[sessions], 2)  # those of its lanes, and its resolver's
        self.cluster.end("shard-1", "KILL")
        # Idle work finds it out; so does the next payment.
        self.wait_for("transactions-1", sessions, 0)
        self.assertGreater(self.cluster.scrape("transactions-1")[faults], before[faults])
        self.cluster.up()
        wait_for("sessions with shard 1", lambda: self.cluster.scrape("transactions-1")[sessions] >= 2)
        self.assertGreater(self.cluster.scrape("transactions-1")[opened], before[opened])

    def test_a_silent_risk_shows(self):
        self.open_accounts()
        # Which of them it is depends on when the broker takes risk for dead.
        unanswered = [f'florin_risk_questions_total{{outcome="{outcome}"}}'
                      for outcome in ("timeout", "unavailable", "refused")]

        def seen():
            return sum(self.workers("transactions", series) for series in unanswered)

        before = seen()
        with self.paused("risk-1"):
            self.assertEqual(self.client.pay(40, ADA, BOB, 1), "risk_unavailable")
            self.assertEqual(seen(), before + 1)
        self.wait_for("broker-1", 'florin_pool_workers{pool="risk",state="serving"}', 1)

    def test_a_broker_that_is_gone_shows(self):
        with (self.cluster.dir / "etc/accounts.zpl").open() as file:
            brokers = [line.split('"')[1] for line in file if "broker =" in line]
        up = [f'florin_worker_broker_up{{broker="{broker}"}}' for broker in brokers]
        self.assertEqual(len(up), 2)
        self.wait_for("accounts-1", up[1], 1)
        self.cluster.end("broker-2")
        self.wait_for("accounts-1", up[1], 0)
        self.assertEqual(self.cluster.scrape("accounts-1")[up[0]], 1)
        self.cluster.up()
        self.wait_for("accounts-1", up[1], 1)

    def test_workers_that_come_and_go_are_listed(self):
        serving = 'florin_pool_workers{pool="accounts",state="serving"}'
        self.cluster.scale("accounts", 3)
        self.wait_for("broker-1", serving, 3)
        self.assertEqual(self.cluster.scrape("accounts-3")["florin_worker_requests_held"], 0)
        self.cluster.scale("accounts", 1)
        self.wait_for("broker-1", serving, 1)
        self.assertNotIn("accounts-2", self.targets())

    def test_an_open_reader_does_not_hold_up_the_end(self):
        for name in "broker-2", "accounts-1":
            host, port = self.cluster.metrics_address(name).split(":")
            with socket.create_connection((host, int(port)), 20) as reader:
                reader.sendall(b"GET /metrics HTTP/1.1\r\n")
                self.cluster.end(name)
            self.assertIn("_stopped", self.cluster.log(name).splitlines()[-1])
        self.cluster.up()

    def test_an_address_that_is_taken_is_named(self):
        taken = self.cluster.metrics_address("risk-1")
        done = subprocess.run(
            [self.cluster.bin / "florin-risk", "--config", self.cluster.dir / "etc/risk.zpl",
             "--metrics", taken], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"can't listen on {taken}: Address already in use", done.stderr)
