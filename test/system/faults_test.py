"""What users and machines do wrong, on a whole cluster: each gets an answer to act on, nothing
crashes, and nothing is lost or applied twice."""
import os
import random
import time

import zmq

import wire
from cluster import BIN, Payer, SystemTest, uuid, wait_for
from wire import pb

MIB = 1024 * 1024
EVENTS_MAX = 8190
# ASan keeps what was freed for a while.
SANITIZED = b"__asan_init" in (BIN / "florin-broker").read_bytes() if BIN.exists() else False
GROWTH_KIB_MAX = (400 if SANITIZED else 64) * 1024


class BadInputTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.client.open_accounts([1, 2])
        self.pids = {name: self.cluster.pid(name) for name in self.cluster.names()}

    def tearDown(self):
        """Whatever came, all processes are those of before, and serve."""
        self.assertEqual({name: self.cluster.pid(name) for name in self.cluster.names()}, self.pids)
        for name, pid in self.pids.items():
            self.assertTrue(os.path.exists(f"/proc/{pid}/exe"), f"{name} has ended")
        with self.cluster.client() as client:
            self.assertEqual(client.balances(1).keys(), {1})
            self.assertIn(client.pay(time.time_ns(), 1, 2, 0), "created")

    def broker_status(self):
        return self.client.call("florin.broker").broker_status

    def garbage(self, generator):
        """Frames that are no message, or hardly one."""
        pieces = [b"", b"MDPC01", b"MDPW01", b"MDPC02", b"accounts", b"mmi.service", b"\x01",
                  b"\x02", b"\x03", b"\x04", b"\x05", b"\xff" * 300, b"\x00"]
        return [generator.choice(pieces) if generator.random() < 0.7 else
                generator.randbytes(generator.randint(0, 400))
                for _ in range(generator.randint(1, 24))]

    def throw_garbage(self, endpoint, keys, seed):
        generator = random.Random(seed)
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        keys.apply(socket)
        socket.connect(endpoint)
        for _ in range(2000):
            socket.send_multipart(self.garbage(generator))
        return socket

    def test_garbage_from_a_client_is_dropped_and_counted(self):
        before = self.broker_status().dropped_malformed
        self.throw_garbage(self.cluster.endpoint(), self.cluster.keys(), seed=11)
        wait_for("garbage to be counted",
                 lambda: self.broker_status().dropped_malformed > before + 1000)

    def test_garbage_from_a_worker_is_dropped_and_counted(self):
        before = self.broker_status().dropped_malformed
        self.throw_garbage(self.cluster.endpoint(workers=True), self.cluster.keys("risk"), seed=12)
        wait_for("garbage to be counted",
                 lambda: self.broker_status().dropped_malformed > before + 1000)

    def test_a_reply_nobody_asked_for_reaches_nobody(self):
        worker = self.cluster.worker("forger")
        self.addCleanup(worker.disconnect)
        before = self.broker_status().dropped_replies
        for token in (b"1", b"\x00\x6b\x8b\x45\x67", b"x" * 255):
            worker.reply(token, [b"forged"])
        wait_for("the replies to be dropped",
                 lambda: self.broker_status().dropped_replies >= before + 3)
        self.assertFalse(self.client.socket.poll(100))

    def test_wrong_protobuf_is_a_bad_request(self):
        generator = random.Random(13)
        for service in ("accounts", "transactions", "risk"):
            for body in (b"\xff\xff\xff", b"\x0a\x05ab", generator.randbytes(500)):
                self.client.send(service, body)
                reply = pb.Reply.FromString(self.client.receive()[1][0])
                self.assertEqual(reply.status, pb.STATUS_BAD_REQUEST, (service, body))
                self.assertTrue(reply.message)

    def test_a_request_without_or_with_anothers_operation_is_a_bad_request(self):
        lookup = pb.LookupAccountsRequest(ids=[wire.id_bytes(1)])
        for service, operation in (("accounts", {}), ("transactions", {}), ("risk", {}),
                                   ("transactions", {"lookup_accounts": lookup}),
                                   ("risk", {"lookup_accounts": lookup})):
            reply = self.client.call(service, **operation)
            self.assertEqual(reply.status, pb.STATUS_BAD_REQUEST, (service, operation))
            self.assertTrue(reply.message)

    def test_the_largest_batch_passes(self):
        outcomes = self.client.transfer(*(wire.transfer(2 * 10**6 + i, 1, 2, 1, reference="r" * 140)
                                          for i in range(EVENTS_MAX)), seconds=60)
        self.assertEqual({o.result for o in outcomes}, {pb.CREATE_TRANSFER_RESULT_CREATED})
        self.assertEqual(len(outcomes), EVENTS_MAX)

    def test_a_body_of_5_mb_is_too_large(self):
        before = self.cluster.rss_kib("broker-1")
        for service in ["accounts", "transactions", "risk"] * 10:
            self.client.send(service, bytes(5 * MIB))
            reply = pb.Reply.FromString(self.client.receive()[1][0])
            self.assertEqual(reply.status, pb.STATUS_TOO_LARGE)
            self.assertTrue(reply.message)
        self.assertLess(self.cluster.rss_kib("broker-1") - before, GROWTH_KIB_MAX)

    def test_a_body_of_100_mb_never_enters_memory(self):
        before = peak = self.cluster.rss_kib("broker-1")
        with self.cluster.client() as careless:
            body = bytes(100 * MIB)
            monitor = careless.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            careless.send("transactions", body)
            deadline = time.monotonic() + 20
            while not monitor.poll(10):
                peak = max(peak, self.cluster.rss_kib("broker-1"))
                self.assertLess(time.monotonic(), deadline, "the connection was not ended")
        self.assertLess(peak - before, GROWTH_KIB_MAX)

    def test_currencies_that_do_not_fit(self):
        self.client.open_accounts([3], ledger=203)
        self.assertEqual(self.client.pay(8101, 1, 3, 1), "accounts_must_have_the_same_ledger")
        self.assertEqual(self.client.pay(8102, 1, 2, 1, ledger=203),
                         "transfer_must_have_the_same_ledger_as_accounts")
        self.assertEqual(self.client.pay(8103, 1, 2, 1, ledger=0), "ledger_must_not_be_zero")
        self.assertEqual(self.client.open_accounts([4], ledger=0), ["ledger_must_not_be_zero"])

    def test_an_unknown_account_is_refused_for_good(self):
        self.assertEqual(self.client.pay(8201, 1, 77, 1), "credit_account_not_found")
        self.assertEqual(self.client.pay(8202, 78, 1, 1), "debit_account_not_found")
        self.client.open_accounts([77])
        outcome, = self.client.transfer(wire.transfer(8201, 1, 77, 1))
        self.assertEqual(wire.result_name(outcome.result), "id_already_failed")
        self.assertEqual(wire.result_name(outcome.first_result), "credit_account_not_found")

    def test_an_id_with_other_content_is_refused_and_changes_nothing(self):
        self.assertEqual(self.client.pay(8301, 1, 2, 100), "created")
        before = self.client.balances(1, 2)
        for other, result in (
                (wire.transfer(8301, 1, 2, 101), "exists_with_different_amount"),
                (wire.transfer(8301, 2, 1, 100), "exists_with_different_debit_account_id"),
                (wire.transfer(8301, 1, 2, 100, code=2), "exists_with_different_code"),
                (wire.transfer(8301, 1, 2, 100, reference="x"), "exists_with_different_reference")):
            self.assertEqual(wire.result_name(self.client.transfer(other)[0].result), result)
        self.assertEqual(self.client.balances(1, 2), before)

    # The same by hand, on the command line.

    def cli_refuses(self, exit_code, said, *arguments):
        done = self.cluster.florin(*arguments, exit_code=exit_code)
        self.assertIn(said, done.stdout + done.stderr)

    def test_the_command_line_refuses_what_is_no_money(self):
        self.cli_refuses(2, "1.234", "transfer", "1", "2", "1.234", "EUR")
        self.cli_refuses(2, "-5", "transfer", "1", "2", "--", "-5", "EUR")
        self.cli_refuses(2, "1e3", "transfer", "1", "2", "1e3", "EUR")
        self.cli_refuses(2, "XXQ", "transfer", "1", "2", "1.00", "XXQ")
        self.cli_refuses(2, "1.5", "transfer", "1", "2", "1.5", "JPY")
        self.cli_refuses(2, "XXQ", "account", "open", "9", "--currency", "XXQ", "--code", "1")

    def test_the_command_line_names_the_result(self):
        self.cluster.florin("transfer", "1", "2", "1.00", "EUR", "--id", "8401")
        self.cli_refuses(1, "exists_with_different_amount",
                         "transfer", "1", "2", "2.00", "EUR", "--id", "8401")
        self.cli_refuses(1, "credit_account_not_found", "transfer", "1", "404404", "1.00", "EUR")


class FaultTest(SystemTest):
    ACCOUNTS = range(1001, 1009)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts(cls.ACCOUNTS)) == {"created"}

    def setUp(self):
        super().setUp()
        # Each test's ids are its own.
        self.first_id = time.time_ns()

    def tearDown(self):
        self.cluster.up()  # what the test left ended

    def payer(self, seed=1):
        return Payer(self.cluster, self.ACCOUNTS, self.first_id, seed=seed)

    def settle(self, payer):
        """After a test: no surprise, and the books hold each acknowledged payment once."""
        self.assertEqual(payer.surprises, [])
        self.cluster.audit(payer.acknowledged)

    def send(self, **fields):
        return self.client.call("transactions", 30, create_transfers=pb.CreateTransfersRequest(
            transfers=[wire.transfer(**fields)]))

    def status(self, **fields):
        reply = self.send(**fields)
        return reply.status, reply.message

    def is_paid(self, **fields):
        """Whatever keeps it from being paid now may be asked again."""
        reply = self.send(**fields)
        self.assertIn(reply.status, (pb.STATUS_OK, *wire.AGAIN), reply)
        return reply.status == pb.STATUS_OK and wire.result_name(
            reply.create_transfers.results[0].result) in ("created", "exists")

    def test_requests_of_a_stalled_worker_go_to_another(self):
        with self.payer() as payer:
            # In the middle of a batch or between two, as it happens.
            for name in ("transactions-1", "transactions-2") * 3:
                with self.paused(name):
                    payer.wait_for_more(50)
                payer.wait_for_more(50)  # its late replies are nobody's
        self.settle(payer)

    def test_a_worker_killed_under_load_costs_nothing(self):
        with self.payer() as payer:
            for name in ("transactions-1", "transactions-2"):
                self.cluster.kill(name, "KILL")
                payer.wait_for_more(50)
                self.cluster.up()
                payer.wait_for_more(50)
        self.settle(payer)

    def test_a_worker_asked_to_end_finishes_what_it_has(self):
        with self.payer() as payer:
            self.cluster.end("transactions-1")
            payer.wait_for_more(50)
            self.cluster.scale("transactions", 3)
            payer.wait_for_more(50)
            self.cluster.scale("transactions", 2)
            payer.wait_for_more(50)
        self.settle(payer)

    def test_without_risk_nothing_is_paid_and_nothing_hangs(self):
        debit, credit = self.ACCOUNTS[:2]
        pay = (self.first_id, debit, credit, 1)
        with self.paused("risk-1"):
            for _ in range(2):  # while the broker may still believe in it, and after
                began = time.monotonic()
                self.assertEqual(self.client.pay(*pay), "risk_unavailable")
                self.assertLess(time.monotonic() - began, 5)
        wait_for("risk to be back", lambda: self.client.pay(*pay) == "created")
        self.assertEqual(self.client.pay(*pay), "exists", "what risk did not see is not remembered")
        self.cluster.end("risk-1", "KILL")
        began = time.monotonic()
        self.assertEqual(self.client.pay(self.first_id + 1, debit, credit, 1), "risk_unavailable")
        self.assertLess(time.monotonic() - began, 5)
        self.cluster.up()
        self.assertEqual(self.client.pay(self.first_id + 1, debit, credit, 1), "created")
        self.cluster.audit([self.first_id, self.first_id + 1])

    def test_a_broker_that_starts_again_finds_its_workers(self):
        with self.payer() as payer:
            pids = [self.cluster.pid(n) for n in ("accounts-1", "transactions-1", "risk-1")]
            for sig in ("KILL", "TERM"):
                self.cluster.end("broker-1", sig)
                self.cluster.up()  # waits until all workers are there
                payer.wait_for_more(50)
            self.assertEqual(
                pids, [self.cluster.pid(n) for n in ("accounts-1", "transactions-1", "risk-1")])
        self.settle(payer)

    def test_a_shard_that_goes_away_is_an_answer_and_comes_back_by_itself(self):
        even, odd = 1002, 1003  # shard 0, shard 1
        self.cluster.end("shard-1", "INT")
        status, message = self.status(transfer_id=self.first_id, debit=even, credit=odd, amount=1)
        self.assertEqual(status, pb.STATUS_UNAVAILABLE, message)
        self.assertTrue(message)
        # What needs only the shard that is left goes on.
        local = self.first_id // 2 * 2 + 10
        self.assertEqual(self.client.pay(local, even, even + 2, 1), "created")
        self.cluster.up()
        wait_for("the shard to be used again", lambda: self.status(
            transfer_id=self.first_id + 1, debit=even, credit=odd, amount=1)[0] == pb.STATUS_OK)
        self.cluster.audit([local, self.first_id + 1])

    def test_a_shard_crashes_and_comes_back_under_load(self):
        with self.payer() as payer:
            for shard in ("shard-1", "shard-0"):
                self.cluster.kill(shard, "KILL")
                self.cluster.up()
                payer.wait_for_more(50, 60)
        self.settle(payer)

    def test_connections_that_postgresql_ends_are_made_anew(self):
        with self.payer() as payer:
            for where in (0, 1, "control") * 3:
                self.cluster.sql(where, "select pg_terminate_backend(pid) from pg_stat_activity"
                                        " where usename = 'florin' and pid <> pg_backend_pid()")
                payer.wait_for_more(20)
        self.settle(payer)

    def test_workers_that_start_before_their_databases_wait_for_them(self):
        for shard in ("shard-0", "shard-1"):
            self.cluster.end(shard, "INT")
        for pool, count in ("accounts", 1), ("transactions", 2), ("risk", 1):
            self.cluster.scale(pool, 0)
            self.cluster.scale(pool, count)
        pids = [self.cluster.pid(n) for n in ("accounts-1", "transactions-1", "risk-1")]
        reply = self.client.call("accounts", 30, lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(1001)]))
        self.assertEqual(reply.status, pb.STATUS_UNAVAILABLE)
        self.assertTrue(reply.message)
        self.cluster.up()
        wait_for("accounts to be there",
                 lambda: self.client.call("accounts", 30, lookup_accounts=pb.LookupAccountsRequest(
                     ids=[wire.id_bytes(1001)])).status == pb.STATUS_OK)
        wait_for("payments to be possible", lambda: self.is_paid(
            transfer_id=self.first_id, debit=1001, credit=1002, amount=1))
        self.assertEqual(
            pids, [self.cluster.pid(n) for n in ("accounts-1", "transactions-1", "risk-1")])
        self.cluster.audit([self.first_id])

    def test_nothing_is_reached_is_an_exit_code(self):
        self.cluster.end("broker-1")
        done = self.cluster.florin("status", exit_code=3, seconds=60)
        self.assertIn("tcp://127.0.0.1", done.stdout + done.stderr)
        self.cluster.up()
        self.assertIn("transactions", self.cluster.florin("status").stdout)

    def test_the_books_show_a_payment_on_both_shards(self):
        """What an auditor with SQL alone sees."""
        self.assertEqual(self.client.pay(self.first_id, 1001, 1002, 42), "created")
        for shard, side in (0, "credit"), (1, "debit"):
            rows = self.cluster.sql(shard, f"select side, amount from entries"
                                           f" where transfer_id = '{uuid(self.first_id)}'")
            self.assertEqual(rows, [[side, "42"]])
