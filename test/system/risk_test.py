"""The risk rules, from florin-admin to the answer a client gets, changed while everything runs."""
import concurrent.futures
import itertools
import tempfile

import wire
from cluster import SystemTest, uuid, wait_for
from wire import pb

EUR, CZK, JPY = 978, 203, 392
ALL = (1 << 63) - 1  # of what is pending


class RiskTest(SystemTest):
    ids = itertools.count(700_000)
    accounts = itertools.count(5_001)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget)

    def forget(self):
        """No rules again, in effect, and no worker that still takes risk for away."""
        for currency in ("EUR", "CZK", "JPY"):
            self.cluster.admin("risk", "unset", currency)
        debit, credit = self.open()
        wait_for("the rules to be gone",
                 lambda: all(self.pay(debit, credit, 10**12) == ("created", [])
                             for _ in range(4)))

    def limit(self, *limits):
        self.cluster.admin("risk", "set", "EUR", *limits)

    def open(self, ledger=EUR):
        """Two accounts, on two shards, without a bound."""
        pair = [next(self.accounts), next(self.accounts)]
        self.assertEqual(self.client.open_accounts(pair, ledger), ["created"] * 2)
        return pair

    def pay(self, debit, credit, amount, client=None, **fields):
        """The result's name and the reasons."""
        outcome, = (client or self.client).transfer(
            wire.transfer(next(self.ids), debit, credit, amount, **fields))
        return wire.result_name(outcome.result), [
            pb.RiskReason.Name(reason)[len("RISK_REASON_"):].lower() for reason in outcome.reasons]

    def declined(self, *reasons):
        return "risk_declined", list(reasons)

    def takes_effect(self, debit, credit, amount, expected, **fields):
        """A rule that was just set is in effect soon, without a restart. What is paid before it is
        counts in windows: for those, let others try."""
        pid = self.cluster.pid("risk-1")
        wait_for(f"{expected} of a transfer of {amount}",
                 lambda: self.pay(debit, credit, amount, **fields)[0] == expected, 10)
        self.assertEqual(self.cluster.pid("risk-1"), pid)

    def test_the_maximum_of_a_currency(self):
        debit, credit = self.open()
        self.limit("--max", "100.00")
        self.takes_effect(debit, credit, 10001, "risk_declined")
        self.assertEqual(self.pay(debit, credit, 10001), self.declined("amount_above_maximum"))
        self.assertEqual(self.pay(debit, credit, 10000), ("created", []))

    def test_a_rule_holds_for_its_currency_alone(self):
        debit, credit = self.open(JPY)
        self.limit("--max", "1.00")
        self.cluster.admin("risk", "set", "JPY", "--max", "500")
        self.takes_effect(debit, credit, 501, "risk_declined", ledger=JPY)
        self.assertEqual(self.pay(debit, credit, 500, ledger=JPY), ("created", []))

    def test_a_rule_is_changed_and_taken_away_while_all_runs(self):
        debit, credit = self.open()
        for maximum, refused in ("1.00", 101), ("2.00", 201), ("0.50", 51):
            self.limit("--max", maximum)
            self.takes_effect(debit, credit, refused, "risk_declined")
            self.takes_effect(debit, credit, refused - 1, "created")
        self.cluster.admin("risk", "unset", "EUR")
        self.takes_effect(debit, credit, 10**9, "created")

    def review(self, debit, credit):
        """What is above 10.00 is to be reviewed, from now on."""
        self.limit("--review-above", "10.00")
        wait_for("a transfer to be held", lambda: self.hold(next(self.ids), debit, credit, 1001)
                 .held_for_review, 10)

    def hold(self, number, debit, credit, amount):
        return self.client.transfer(wire.transfer(number, debit, credit, amount))[0]

    def resolve(self, pending, flag, **fields):
        """Posts or voids; the result's name."""
        return wire.result_name(self.client.transfer(pb.Transfer(
            id=wire.id_bytes(next(self.ids)), pending_id=wire.id_bytes(pending), flags=flag,
            **fields))[0].result)

    def post(self, pending):
        return self.resolve(pending, pb.TRANSFER_FLAG_POST_PENDING_TRANSFER, amount=ALL)

    def debits(self, account):
        """Pending and posted."""
        reply = self.client.call("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(account)]))
        found, = reply.lookup_accounts.accounts
        return found.debits_pending, found.debits_posted

    def stored(self, number):
        """A transfer and what became of it."""
        reply = self.client.call("transactions", lookup_transfers=pb.LookupTransfersRequest(
            ids=[wire.id_bytes(number)])).lookup_transfers
        return reply.transfers[0], reply.pending[0].status

    def test_what_should_be_reviewed_is_held(self):
        debit, credit = self.open()
        self.review(debit, credit)
        before, _ = self.debits(debit)
        number = next(self.ids)
        outcome = self.hold(number, debit, credit, 1001)
        self.assertEqual(wire.result_name(outcome.result), "created")
        self.assertTrue(outcome.held_for_review)
        self.assertEqual(list(outcome.reasons), [pb.RISK_REASON_AMOUNT_ABOVE_REVIEW])
        self.assertEqual(self.debits(debit), (before + 1001, 0))
        transfer, status = self.stored(number)
        self.assertEqual(transfer.flags, pb.TRANSFER_FLAG_PENDING | pb.TRANSFER_FLAG_REVIEW)
        self.assertEqual((transfer.timeout, status), (0, pb.PENDING_STATUS_OPEN))
        again = self.hold(number, debit, credit, 1001)
        self.assertEqual(wire.result_name(again.result), "exists")
        self.assertTrue(again.held_for_review)
        self.assertEqual(list(again.reasons), [])
        self.assertEqual(again.timestamp, outcome.timestamp)
        below = self.hold(next(self.ids), debit, credit, 1000)
        self.assertFalse(below.held_for_review)
        self.assertEqual(self.debits(debit), (before + 1001, 1000))

    def test_an_import_says_how_many_are_held(self):
        debit, credit = self.open()
        self.review(debit, credit)
        rows = "".join(f"{next(self.ids)},{debit},{credit},{amount}.00,EUR,7\n"
                       for amount in (9, 11, 10, 12))
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("id,debit_account_id,credit_account_id,amount,currency,code\n" + rows)
            file.flush()
            self.assertIn("4 would be created, 0 exist, 0 would be refused; nothing was changed\n"
                          f"{file.name}: 2 of them would be held for review",
                          self.cluster.florin("import", file.name, "--dry-run").stdout)
            self.assertIn(f"{file.name}: 2 of them are held for review",
                          self.cluster.florin("import", file.name).stdout)
            again, = self.cluster.florin_json("import", file.name)
        self.assertEqual((again["existed"], again["held_for_review"]), ("4", "2"))

    def test_what_was_held_is_posted_or_voided_once_and_never_expires(self):
        debit, credit = self.open()
        self.review(debit, credit)
        posted, voided = next(self.ids), next(self.ids)
        before, _ = self.debits(debit)
        for number in posted, voided:
            self.assertTrue(self.hold(number, debit, credit, 2000).held_for_review)
        self.assertEqual(self.cluster.sql(debit % 2, f"""select count(*) from pending_transfers
            where id in ('{uuid(posted)}', '{uuid(voided)}') and status = 1
            and expires_at is null"""), [["2"]])
        self.assertEqual(self.post(posted), "created")
        self.assertEqual(self.debits(debit), (before + 2000, 2000))
        self.assertEqual(self.post(posted), "pending_transfer_already_posted")
        self.assertEqual(self.resolve(voided, pb.TRANSFER_FLAG_VOID_PENDING_TRANSFER), "created")
        self.assertEqual(self.debits(debit), (before, 2000))
        self.assertEqual(self.post(voided), "pending_transfer_already_voided")
        again = self.hold(posted, debit, credit, 2000)
        self.assertEqual(wire.result_name(again.result), "exists")
        self.assertTrue(again.held_for_review)

    def test_what_cannot_be_held_is_declined_with_its_reason(self):
        debit, credit = self.open()
        self.review(debit, credit)
        self.assertEqual(self.pay(debit, credit, 1001, flags=pb.TRANSFER_FLAG_PENDING),
                         self.declined("amount_above_review"))
        outcomes = self.client.transfer(
            wire.transfer(next(self.ids), debit, credit, 1, flags=pb.TRANSFER_FLAG_LINKED),
            wire.transfer(next(self.ids), debit, credit, 1001))
        self.assertEqual([wire.result_name(outcome.result) for outcome in outcomes],
                         ["linked_event_failed", "risk_declined"])

    def test_risk_being_away_keeps_nobody_from_posting_what_was_held(self):
        debit, credit = self.open()
        self.review(debit, credit)
        number = next(self.ids)
        self.assertTrue(self.hold(number, debit, credit, 1001).held_for_review)
        with self.paused("risk-1"):
            self.assertEqual(self.pay(debit, credit, 1)[0], "risk_unavailable")
            self.assertEqual(self.post(number), "created")

    def test_a_blocked_account_neither_pays_nor_is_paid(self):
        debit, credit = self.open()
        self.cluster.admin("risk", "block", debit)
        self.takes_effect(debit, credit, 1, "risk_declined")
        self.assertEqual(self.pay(debit, credit, 1), self.declined("debit_account_blocked"))
        self.assertEqual(self.pay(credit, debit, 1), self.declined("credit_account_blocked"))
        self.cluster.admin("risk", "free", debit)
        self.takes_effect(debit, credit, 1, "created")

    def test_an_allowed_account_may_debit_what_others_may_not(self):
        debit, credit = self.open()
        self.limit("--max", "1.00")
        self.takes_effect(debit, credit, 101, "risk_declined")
        self.cluster.admin("risk", "allow", debit)
        self.takes_effect(debit, credit, 101, "created")
        self.assertEqual(self.pay(credit, debit, 101), self.declined("amount_above_maximum"))

    def test_a_refusal_is_remembered_and_a_repeat_is_not_counted(self):
        debit, credit = self.open()
        self.limit("--max", "1.00")
        self.takes_effect(debit, credit, 101, "risk_declined")
        number = next(self.ids)
        refused = wire.transfer(number, debit, credit, 101)
        self.assertEqual(self.client.transfer(refused)[0].result,
                         pb.CREATE_TRANSFER_RESULT_RISK_DECLINED)
        self.cluster.admin("risk", "unset", "EUR")
        self.takes_effect(debit, credit, 101, "created")
        again = self.client.transfer(refused)[0]
        self.assertEqual(wire.result_name(again.result), "id_already_failed")
        self.assertEqual(wire.result_name(again.first_result), "risk_declined")

    def test_the_window_counts_what_was_debited(self):
        debit, credit = self.open()
        self.limit("--max", "5.00", "--window", "600", "--count", "3")
        self.takes_effect(*self.open(), 501, "risk_declined")
        first = next(self.ids)
        self.assertEqual(self.client.pay(first, debit, credit, 1), "created")
        self.assertEqual(self.client.pay(first, debit, credit, 1), "exists")
        self.assertEqual(self.pay(debit, credit, 1)[0], "created")
        self.assertEqual(self.pay(debit, credit, 1)[0], "created")
        self.assertEqual(self.pay(debit, credit, 1), self.declined("window_count_above_maximum"))
        self.assertEqual(self.pay(credit, debit, 1)[0], "created", "credits do not count")

    def test_a_batch_counts_against_the_window_within_itself(self):
        debit, credit = self.open()
        self.limit("--max", "5.00", "--window", "600", "--sum", "2.00")
        self.takes_effect(*self.open(), 501, "risk_declined")
        outcomes = self.client.transfer(*(wire.transfer(next(self.ids), debit, credit, 90)
                                          for _ in range(4)))
        self.assertEqual([wire.result_name(o.result) for o in outcomes],
                         ["created", "created", "risk_declined", "risk_declined"])
        self.assertEqual(self.client.balances(debit), {debit: -180})

    def test_the_window_rolls(self):
        debit, credit = self.open()
        self.limit("--max", "5.00", "--window", "2", "--count", "1")
        self.takes_effect(*self.open(), 501, "risk_declined")
        self.assertEqual(self.pay(debit, credit, 1)[0], "created")
        self.assertEqual(self.pay(debit, credit, 1)[0], "risk_declined")
        self.takes_effect(debit, credit, 1, "created")

    def race(self, debit, credit, amount, clients=8, each=15):
        """How many of the clients' transfers were created when all pay from one account at once."""
        def one(_):
            with self.cluster.client() as client:
                return sum(self.pay(debit, credit, amount, client)[0] == "created"
                           for _ in range(each))
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            return sum(pool.map(one, range(clients)))

    def test_clients_at_once_never_pass_the_count(self):
        debit, credit = self.open()
        self.limit("--max", "5.00", "--window", "600", "--count", "20")
        self.takes_effect(*self.open(), 501, "risk_declined")
        self.assertEqual(self.race(debit, credit, 1), 20)
        self.assertEqual(self.client.balances(debit), {debit: -20})

    def test_clients_at_once_never_pass_the_sum(self):
        debit, credit = self.open()
        self.limit("--max", "5.00", "--window", "600", "--sum", "10.00")
        self.takes_effect(*self.open(), 501, "risk_declined")
        self.assertEqual(self.race(debit, credit, 70), 14)
        self.assertEqual(self.client.balances(debit), {debit: -980})
