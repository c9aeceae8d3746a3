"""Each field of each message at its limits and past them: what is taken, and the name of the
result, or the field in the message, with which the rest is refused."""
import itertools
import time

import wire
from cluster import SystemTest, uuid, wait_for
from wire import pb

EVENTS_MAX = 8190
AMOUNT_MAX = TIMESTAMP_MAX = 2**63 - 1
UINT32_MAX, UINT64_MAX = 2**32 - 1, 2**64 - 1
ID_MAX = 2**128 - 1
SECOND_NS = 10**9

(LINKED, PENDING, POST, VOID, BALANCING_DEBIT, BALANCING_CREDIT, CLOSING_DEBIT, CLOSING_CREDIT,
 IMPORTED) = (1 << i for i in range(9))
DEBITS_BOUND, CREDITS_BOUND, HISTORY, ACCOUNT_IMPORTED, CLOSED = 2, 4, 8, 16, 32

# Accounts; neighbours are on two shards. Numbers from FIRST on are for single tests.
A, B, DEBITS_BOUNDED, CREDITS_BOUNDED, OTHER_LEDGER, SHUT, WITH_HISTORY = range(1, 8)
NOBODY = 999
FIRST = 1000

# Of the first two the tests of risk tell, of the third those of the ledger: no clock is so late today.
# The last is not given yet.
ELSEWHERE = {"risk_declined", "risk_unavailable", "overflows_timeout", "not_authorized"}


def fill(message, fields):
    """Sets fields; an id may be given as a number."""
    for name, value in fields.items():
        if isinstance(value, int) and (name.endswith("id") or name == "user_data"):
            value = wire.id_bytes(value)
        setattr(message, name, value)
    return message


def account(number, **fields):
    return fill(pb.Account(ledger=978, code=1), {"id": number, **fields})


class FieldsTest(SystemTest):
    numbers = itertools.count(FIRST)
    ids = itertools.count(10**6)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        accounts = [account(A), account(B), account(DEBITS_BOUNDED, flags=DEBITS_BOUND),
                    account(CREDITS_BOUNDED, flags=CREDITS_BOUND),
                    account(OTHER_LEDGER, ledger=203), account(SHUT, flags=CLOSED),
                    account(WITH_HISTORY, flags=HISTORY)]
        with cls.cluster.client() as client:
            reply = client.call("accounts",
                                open_accounts=pb.OpenAccountsRequest(accounts=accounts))
            assert not any(o.result for o in reply.open_accounts.results), reply

    def setUp(self):
        super().setUp()
        self.met = set()

    # What requests are made of.

    def event(self, **fields):
        """A transfer that would be created but for these fields."""
        return fill(wire.transfer(next(self.ids), A, B, 1), fields)

    def create(self, *events, dry_run=False):
        """Results by name."""
        reply = self.ok("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=events, dry_run=dry_run))
        names = [wire.result_name(outcome.result) for outcome in reply.results]
        self.met.update(names)
        return names

    def open(self, *accounts):
        reply = self.ok("accounts", open_accounts=pb.OpenAccountsRequest(accounts=accounts))
        names = [wire.account_result_name(outcome.result) for outcome in reply.results]
        self.met.update(names)
        return names

    def pair(self):
        """Two new accounts, on two shards."""
        numbers = [next(self.numbers), next(self.numbers)]
        self.assertEqual(self.open(*map(account, numbers)), ["created"] * 2)
        return numbers

    def limit(self, number, limit):
        reply = self.ok("accounts", set_credit_limits=pb.SetCreditLimitsRequest(
            limits=[fill(pb.CreditLimit(credit_limit=limit), {"account_id": number})]))
        name = wire.limit_result_name(reply.results[0].result)
        self.met.add(name)
        return name

    def ok(self, service, **operation):
        reply = self.client.call(service, 60, **operation)
        self.assertEqual(reply.status, pb.STATUS_OK, reply.message)
        return getattr(reply, next(iter(operation)))

    def refused(self, status, said, service, **operation):
        reply = self.client.call(service, 60, **operation)
        self.assertEqual((reply.status, said in reply.message), (status, True), reply)

    def bad(self, said, service, **operation):
        self.refused(pb.STATUS_BAD_REQUEST, said, service, **operation)

    def table(self, expected, **values):
        """Transfers with one field of these values, each in a request of its own."""
        (field, values), = values.items()
        for value in values:
            with self.subTest(field, value=value):
                self.assertEqual(self.create(self.event(**{field: value})), [expected])

    # Fields that the wire bounds: the whole request is refused, and nothing of it is done.

    def bad_transfers(self, field, said, *values):
        for value in values:
            good = self.event()
            for name, request in (("create_transfers", pb.CreateTransfersRequest),
                                  ("assess_transfers", pb.AssessTransfersRequest)):
                service = "risk" if name == "assess_transfers" else "transactions"
                with self.subTest(name, field=field, value=value):
                    self.bad(f"transfers[1].{field}: {said}", service, **{
                        name: request(transfers=[good, self.event(**{field: value})])})
            self.assertEqual(self.create(good), ["created"], "a bad request does nothing")

    def test_what_no_transfer_may_have(self):
        for field in "id", "debit_account_id", "credit_account_id", "pending_id", "user_data":
            for count in 1, 15, 17:
                self.bad_transfers(field, f"{count} bytes", b"x" * count)
        self.bad_transfers("amount", "9223372036854775808", 2**63)
        self.bad_transfers("amount", "18446744073709551615", UINT64_MAX)
        self.bad_transfers("code", "65536", 2**16)
        self.bad_transfers("code", "4294967295", UINT32_MAX)
        self.bad_transfers("reference", "longer than 140 bytes", "x" * 141, "ä" * 71)
        self.bad_transfers("reference", "holds a NUL byte", "a\0b", "\0")

    def test_a_reference_that_is_not_utf8(self):
        for wrong in b"\xff\xff", b"a\xc3", b"\xed\xa0\x80":
            text = b"Q" * len(wrong)
            body = pb.Request(create_transfers=pb.CreateTransfersRequest(
                transfers=[self.event(reference=text.decode())])).SerializeToString()
            self.client.send("transactions", body.replace(text, wrong))
            reply = self.client.reply()
            self.assertEqual(reply.status, pb.STATUS_BAD_REQUEST)
            self.assertIn("transfers[0].reference: not UTF-8 at byte", reply.message)

    def test_what_no_account_may_have(self):
        for field, value, said in (
                *((f, b"x" * n, f"{n} bytes") for f in ("id", "user_data") for n in (1, 15, 17)),
                ("code", 2**16, "65536"), ("code", UINT32_MAX, "4294967295"),
                ("credit_limit", 2**63, "9223372036854775808"),
                ("credit_limit", UINT64_MAX, "18446744073709551615")):
            with self.subTest(field, value=value):
                good = account(next(self.numbers))
                self.bad(f"accounts[1].{field}: {said}", "accounts",
                         open_accounts=pb.OpenAccountsRequest(
                             accounts=[good, account(next(self.numbers), **{field: value})]))
                self.assertEqual(self.open(good), ["created"], "a bad request does nothing")

    def test_what_no_limit_may_have(self):
        for field, value, said in (
                *(("account_id", b"x" * n, f"{n} bytes") for n in (1, 15, 17)),
                ("credit_limit", 2**63, "9223372036854775808"),
                ("credit_limit", UINT64_MAX, "18446744073709551615")):
            with self.subTest(field, value=value):
                wrong = fill(pb.CreditLimit(account_id=wire.id_bytes(A)), {field: value})
                place = "limits[1]" if field == "account_id" else f"limits[1].{field}"
                good = pb.CreditLimit(account_id=wire.id_bytes(A), credit_limit=7)
                self.bad(f"{place}: {said}", "accounts",
                         set_credit_limits=pb.SetCreditLimitsRequest(limits=[good, wrong]))
        found, = self.ok("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(A)])).accounts
        self.assertEqual(found.credit_limit, 0, "a bad request does nothing")

    def test_ids_of_lookups(self):
        for count in 1, 15, 17:
            ids = [wire.id_bytes(A), b"x" * count]
            said = f"ids[1]: {count} bytes; an id has 16"
            self.bad(said, "accounts", lookup_accounts=pb.LookupAccountsRequest(ids=ids))
            self.bad(said, "transactions", lookup_transfers=pb.LookupTransfersRequest(ids=ids))
            self.bad(said, "transactions", transfer_outcomes=pb.TransferOutcomesRequest(ids=ids))
        ids = [b"", wire.id_bytes(ID_MAX), wire.id_bytes(NOBODY)]
        found = self.ok("accounts", lookup_accounts=pb.LookupAccountsRequest(ids=ids))
        self.assertEqual(len(found.accounts), 0)
        found = self.ok("transactions", lookup_transfers=pb.LookupTransfersRequest(ids=ids))
        self.assertEqual(len(found.transfers) + len(found.refused), 0)

    def test_filters(self):
        for service, name, request in (
                ("accounts", "list_accounts", pb.ListAccountsRequest),
                ("transactions", "list_transfers", pb.ListTransfersRequest)):
            def operation(field, value):
                return {name: request(filter=fill(pb.Filter(), {field: value}))}
            for field, value in (("ledger", UINT32_MAX), ("code", 65535), ("user_data", ID_MAX),
                                 ("from_timestamp", TIMESTAMP_MAX),
                                 ("until_timestamp", TIMESTAMP_MAX), ("limit", 1),
                                 ("limit", EVENTS_MAX), ("cursor", bytes(24)),
                                 ("cursor", TIMESTAMP_MAX.to_bytes(8, "big") + b"\xff" * 16)):
                with self.subTest(name, field=field, value=value):
                    self.ok(service, **operation(field, value))
            for field, value in (("code", 2**16), ("code", UINT32_MAX), ("from_timestamp", 2**63),
                                 ("until_timestamp", 2**63), ("until_timestamp", UINT64_MAX),
                                 ("user_data", b"x" * 15), ("user_data", b"x" * 17),
                                 ("cursor", b"x"), ("cursor", bytes(23)), ("cursor", bytes(25)),
                                 ("cursor", b"\xff" * 24)):
                with self.subTest(name, field=field, value=value):
                    self.bad(f"filter.{field}: ", service, **operation(field, value))
            for value in EVENTS_MAX + 1, UINT32_MAX:
                self.refused(pb.STATUS_TOO_LARGE, f"filter.limit: {value}", service,
                             **operation("limit", value))
            self.ok(service, **{name: request()})

    def test_statements(self):
        def statement(**fields):
            return {"statement": fill(pb.StatementRequest(), {"account_id": A, **fields})}
        for field, value in (("from_timestamp", TIMESTAMP_MAX - 1),
                             ("until_timestamp", TIMESTAMP_MAX), ("until_timestamp", 1),
                             ("cursor", TIMESTAMP_MAX - 1), ("limit", 1), ("limit", EVENTS_MAX)):
            for back in False, True:
                with self.subTest(field, value=value, newest_first=back):
                    self.ok("accounts", **statement(**{field: value, "newest_first": back}))
        for field, value in (("from_timestamp", TIMESTAMP_MAX), ("from_timestamp", UINT64_MAX),
                             ("until_timestamp", 2**63), ("until_timestamp", UINT64_MAX),
                             ("cursor", TIMESTAMP_MAX), ("cursor", UINT64_MAX),
                             ("account_id", b"x" * 15), ("account_id", b"x" * 17)):
            with self.subTest(field, value=value):
                self.bad(f"{field}: ", "accounts", **statement(**{field: value}))
        for number in 0, NOBODY, ID_MAX:
            self.bad("there is no account", "accounts", **statement(account_id=number))
        for value in EVENTS_MAX + 1, UINT32_MAX:
            self.refused(pb.STATUS_TOO_LARGE, f"limit: {value}", "accounts",
                         **statement(limit=value))

    def test_balances_at_a_moment(self):
        def at(number, timestamp=0):
            return {"balance_at": fill(pb.BalanceAtRequest(timestamp=timestamp),
                                       {"account_id": number})}
        for timestamp in 0, 1, TIMESTAMP_MAX - 1:
            found = self.ok("accounts", **at(WITH_HISTORY, timestamp))
            self.assertEqual(found.changed_at == 0, timestamp == 1)
        for timestamp in TIMESTAMP_MAX, 2**63, UINT64_MAX:
            self.bad("timestamp: ", "accounts", **at(WITH_HISTORY, timestamp))
        for number in b"x" * 15, b"x" * 17:
            self.bad("account_id: ", "accounts", **at(number))
        for number in 0, NOBODY, ID_MAX:
            self.bad("there is no account", "accounts", **at(number))
        self.bad("keeps no history", "accounts", **at(A))

    def test_request_ids(self):
        for count, status in (0, pb.STATUS_OK), (64, pb.STATUS_OK), (65, pb.STATUS_BAD_REQUEST):
            self.client.send("accounts", pb.Request(
                request_id=b"i" * count,
                trial_balance=pb.TrialBalanceRequest()).SerializeToString())
            reply = self.client.reply()
            self.assertEqual(reply.status, status)
            if status == pb.STATUS_OK:
                self.assertEqual(reply.request_id, b"i" * count)
            else:
                self.assertIn("request_id: 65 bytes", reply.message)

    def test_operations_at_services_that_have_not_got_them(self):
        services = {"open_accounts": "accounts", "lookup_accounts": "accounts",
                    "statement": "accounts", "trial_balance": "accounts",
                    "set_credit_limits": "accounts", "balance_at": "accounts",
                    "list_accounts": "accounts", "create_transfers": "transactions",
                    "lookup_transfers": "transactions", "list_transfers": "transactions",
                    "transfer_outcomes": "transactions",
                    "assess_transfers": "risk"}
        fields = pb.Request.DESCRIPTOR.oneofs_by_name["operation"].fields
        self.assertEqual({field.name for field in fields}, set(services))
        for (name, own), service in itertools.product(services.items(), set(services.values())):
            if service == own:
                continue
            with self.subTest(name, service=service):
                request = pb.Request()
                getattr(request, name).SetInParent()
                self.client.send(service, request.SerializeToString())
                reply = self.client.reply()
                self.assertEqual(reply.status, pb.STATUS_BAD_REQUEST)
                self.assertIn(name, reply.message)
                self.assertIn(service, reply.message)

    # How many.

    def many(self, count):
        """Each operation that takes a list, with so many of it."""
        numbers = itertools.count(10**9 + count * 10**6)
        events = [wire.transfer(next(numbers), A, B, 1) for _ in range(count)]
        ids = [wire.id_bytes(10**15 + i) for i in range(count)]
        limits = [pb.CreditLimit(account_id=i) for i in ids]
        yield "accounts", {"open_accounts": pb.OpenAccountsRequest(
            accounts=[account(next(numbers)) for _ in range(count)])}
        yield "accounts", {"lookup_accounts": pb.LookupAccountsRequest(ids=ids)}
        yield "accounts", {"set_credit_limits": pb.SetCreditLimitsRequest(limits=limits)}
        for dry_run in True, False:
            yield "transactions", {"create_transfers": pb.CreateTransfersRequest(
                transfers=events, dry_run=dry_run)}
        yield "transactions", {"lookup_transfers": pb.LookupTransfersRequest(ids=ids)}
        yield "transactions", {"transfer_outcomes": pb.TransferOutcomesRequest(ids=ids)}
        yield "risk", {"assess_transfers": pb.AssessTransfersRequest(transfers=events)}

    def test_as_many_as_there_may_be(self):
        for service, operation in self.many(EVENTS_MAX):
            with self.subTest(next(iter(operation))):
                reply = self.ok(service, **operation)
                for rows in "results", "assessments":
                    if rows in reply.DESCRIPTOR.fields_by_name:
                        self.assertEqual(len(getattr(reply, rows)), EVENTS_MAX)

    def test_one_too_many(self):
        before = self.client.balances(A, B)
        for service, operation in self.many(EVENTS_MAX + 1):
            with self.subTest(next(iter(operation))):
                self.refused(pb.STATUS_TOO_LARGE, f"{EVENTS_MAX}", service, **operation)
        self.assertEqual(self.client.balances(A, B), before)

    def test_none(self):
        for service, operation in self.many(0):
            with self.subTest(next(iter(operation))):
                self.ok(service, **operation)

    # Accounts: every result.

    def test_every_result_of_an_account(self):
        for expected, fields in (
                ("created", {"ledger": UINT32_MAX, "code": 65535, "credit_limit": AMOUNT_MAX,
                             "user_data": ID_MAX, "flags": DEBITS_BOUND | HISTORY | CLOSED}),
                ("timestamp_must_be_zero", {"timestamp": 1}),
                ("timestamp_must_be_zero", {"timestamp": UINT64_MAX}),
                *(("reserved_flag", {"flags": 1 << bit}) for bit in range(6, 32)),
                ("id_must_not_be_zero", {"id": 0}),
                ("id_must_not_be_zero", {"id": bytes(16)}),
                ("id_must_not_be_int_max", {"id": ID_MAX}),
                ("flags_are_mutually_exclusive", {"flags": DEBITS_BOUND | CREDITS_BOUND}),
                *((f"{name}_must_be_zero", {name: value}) for value in (1, UINT64_MAX) for name in (
                    "debits_pending", "debits_posted", "credits_pending", "credits_posted")),
                ("ledger_must_not_be_zero", {"ledger": 0}),
                ("code_must_not_be_zero", {"code": 0})):
            with self.subTest(expected, **fields):
                self.assertEqual(self.open(account(next(self.numbers), **fields)), [expected])
        self.accounts_that_exist()
        self.accounts_that_are_imported()
        self.accounts_in_chains()
        self.assertEqual(self.met, {wire.account_result_name(number)
                                    for number in pb.OpenAccountResult.values()})

    def accounts_that_exist(self):
        first = {"user_data": 5, "credit_limit": 6, "flags": HISTORY}
        number = next(self.numbers)
        self.assertEqual(self.open(account(number, **first)), ["created"])
        self.assertEqual(self.open(account(number, **first)), ["exists"])
        for field, value in (("flags", 0), ("flags", HISTORY | LINKED), ("user_data", 0),
                             ("ledger", 203), ("ledger", 0), ("code", 2), ("credit_limit", 7)):
            with self.subTest("exists", field=field, value=value):
                other = [account(number, **{**first, field: value})]
                if field == "flags" and value & LINKED:  # a chain goes on
                    other.append(account(next(self.numbers)))
                self.assertEqual(self.open(*other)[0], f"exists_with_different_{field}")

    def accounts_that_are_imported(self):
        def old(timestamp, flags=ACCOUNT_IMPORTED):
            return account(next(self.numbers), flags=flags, timestamp=timestamp)
        future = time.time_ns() + 3600 * SECOND_NS
        for timestamp, expected in (
                (1, "created"), (0, "imported_event_timestamp_out_of_range"),
                (2**63, "imported_event_timestamp_out_of_range"),
                (UINT64_MAX, "imported_event_timestamp_out_of_range"),
                (future, "imported_event_timestamp_must_not_advance"),
                (TIMESTAMP_MAX, "imported_event_timestamp_must_not_advance")):
            with self.subTest("imported", timestamp=timestamp):
                self.assertEqual(self.open(old(timestamp)), [expected])
        self.assertEqual(self.open(old(1), account(next(self.numbers))),
                         ["created", "imported_event_expected"])
        self.assertEqual(self.open(account(next(self.numbers)), old(1)),
                         ["created", "imported_event_not_expected"])
        self.assertEqual(self.open(old(5), old(5), old(6), old(4)),
                         ["created", "imported_event_timestamp_must_not_regress", "created",
                          "imported_event_timestamp_must_not_regress"])

    def accounts_in_chains(self):
        numbers = [next(self.numbers) for _ in range(4)]
        chain = [account(number, flags=LINKED) for number in numbers]
        self.assertEqual(self.open(*chain),
                         ["linked_event_failed"] * 3 + ["linked_event_chain_open"])
        self.assertEqual(self.open(*chain[:2], account(0)),
                         ["linked_event_failed"] * 2 + ["id_must_not_be_zero"])
        self.assertEqual(self.client.balances(*numbers), {}, "none of them was opened")
        self.assertEqual(self.open(*chain[:3], account(numbers[3])), ["created"] * 4)

    def test_every_result_of_a_credit_limit(self):
        for number in A, DEBITS_BOUNDED, CREDITS_BOUNDED:
            for limit in AMOUNT_MAX, AMOUNT_MAX, 0:
                self.assertEqual(self.limit(number, limit), "set")
        self.assertEqual(self.limit(0, 1), "account_id_must_not_be_zero")
        self.assertEqual(self.limit(ID_MAX, 1), "account_id_must_not_be_int_max")
        self.assertEqual(self.limit(NOBODY, 1), "account_not_found")
        for number, side, expected in ((DEBITS_BOUNDED, "debit", "exceeds_credits"),
                                       (CREDITS_BOUNDED, "credit", "exceeds_debits")):
            self.assertEqual(self.limit(number, 100), "set")
            for flags in 0, PENDING:  # what is pending counts
                self.assertEqual(self.create(self.event(
                    **{f"{side}_account_id": number}, amount=50, flags=flags)), ["created"])
            self.assertEqual(self.limit(number, 99), expected)
            self.assertEqual(self.limit(number, 100), "set")
        self.assertEqual(self.met - {"created"}, {wire.limit_result_name(number)
                                                  for number in pb.SetCreditLimitResult.values()})

    # Transfers: every result.

    def test_every_result_of_a_transfer(self):
        self.fields_at_their_limits()
        self.fields_past_their_limits()
        self.flags_that_exclude_each_other()
        self.transfers_that_exist()
        self.transfers_that_post_or_void()
        self.transfers_that_are_imported()
        self.transfers_in_chains()
        self.balances_that_overflow()
        self.times_to_come()
        self.bounds_of_accounts()
        self.outcomes()
        self.assertEqual(self.met, {wire.result_name(number) for number in
                                    pb.CreateTransferResult.values()} - ELSEWHERE)

    def fields_at_their_limits(self):
        self.table("created", amount=[0, 1])
        self.table("created", code=[1, 65535])
        self.table("created", user_data=[0, 1, ID_MAX])
        self.table("created", reference=["", "x", "x" * 140, "ä" * 70, "\x01", "\U0010ffff"])
        self.table("created", id=[2**127, ID_MAX - 1])
        debit, credit = self.pair()
        self.assertEqual(self.create(self.event(debit_account_id=debit, credit_account_id=credit,
                                                amount=AMOUNT_MAX)), ["created"])

    def fields_past_their_limits(self):
        self.table("timestamp_must_be_zero", timestamp=[1, UINT64_MAX])
        self.table("reserved_flag", flags=[1 << bit for bit in range(9, 32)])
        self.table("id_must_not_be_zero", id=[0, bytes(16)])
        self.table("id_must_not_be_int_max", id=[ID_MAX])
        self.table("debit_account_id_must_not_be_zero", debit_account_id=[0, bytes(16)])
        self.table("debit_account_id_must_not_be_int_max", debit_account_id=[ID_MAX])
        self.table("credit_account_id_must_not_be_zero", credit_account_id=[0, bytes(16)])
        self.table("credit_account_id_must_not_be_int_max", credit_account_id=[ID_MAX])
        self.table("accounts_must_be_different", debit_account_id=[B])
        self.table("pending_id_must_be_zero", pending_id=[1, ID_MAX])
        self.table("timeout_reserved_for_pending_transfer", timeout=[1, UINT32_MAX])
        self.table("closing_transfer_must_be_pending",
                   flags=[CLOSING_DEBIT, CLOSING_CREDIT, CLOSING_DEBIT | CLOSING_CREDIT,
                          CLOSING_DEBIT | BALANCING_DEBIT])
        self.table("ledger_must_not_be_zero", ledger=[0])
        self.table("code_must_not_be_zero", code=[0])
        self.table("debit_account_not_found", debit_account_id=[NOBODY])
        self.table("credit_account_not_found", credit_account_id=[NOBODY])
        self.table("accounts_must_have_the_same_ledger", debit_account_id=[OTHER_LEDGER])
        self.table("transfer_must_have_the_same_ledger_as_accounts", ledger=[203, UINT32_MAX])
        self.table("debit_account_already_closed", debit_account_id=[SHUT])
        self.table("credit_account_already_closed", credit_account_id=[SHUT])
        spent = self.event(credit_account_id=NOBODY)
        self.assertEqual(self.create(spent, spent), ["credit_account_not_found",
                                                     "id_already_failed"])

    def flags_that_exclude_each_other(self):
        pending = self.event(flags=PENDING)
        self.assertEqual(self.create(pending), ["created"])
        for resolving in POST, VOID:
            for other in (POST ^ VOID ^ resolving, PENDING, BALANCING_DEBIT, BALANCING_CREDIT,
                          CLOSING_DEBIT, CLOSING_CREDIT):
                with self.subTest("exclusive", flags=resolving | other):
                    self.assertEqual(self.create(self.event(
                        flags=resolving | other, pending_id=pending.id)),
                        ["flags_are_mutually_exclusive"])
        for flags in (PENDING | BALANCING_DEBIT, PENDING | BALANCING_CREDIT,
                      BALANCING_DEBIT | BALANCING_CREDIT):
            with self.subTest("together", flags=flags):
                self.assertEqual(self.create(self.event(flags=flags)), ["created"])

    def transfers_that_exist(self):
        first = {"flags": PENDING, "timeout": 3600, "user_data": 5, "reference": "r", "amount": 9}
        event = self.event(**first)
        self.assertEqual(self.create(event), ["created"])
        self.assertEqual(self.create(event), ["exists"])
        for field, value in (("flags", 0), ("flags", PENDING | CLOSING_DEBIT), ("pending_id", 7),
                             ("timeout", 0), ("timeout", UINT32_MAX), ("debit_account_id", B),
                             ("credit_account_id", A), ("amount", 10), ("amount", AMOUNT_MAX),
                             ("user_data", 0), ("reference", ""), ("reference", "R"),
                             ("ledger", 0), ("code", 65535)):
            with self.subTest("exists", field=field, value=value):
                other = pb.Transfer()
                other.CopyFrom(event)
                self.assertEqual(self.create(fill(other, {field: value})),
                                 [f"exists_with_different_{field}"])

    def outcomes(self):
        applied, never = self.event(), self.event()
        self.assertEqual(self.create(applied), ["created"])
        told = self.ok("transactions", transfer_outcomes=pb.TransferOutcomesRequest(
            ids=[never.id, applied.id, b"", wire.id_bytes(ID_MAX)]))
        names = [wire.result_name(outcome.result) for outcome in told.outcomes]
        self.met.update(names)
        self.assertEqual(names, ["id_given_up", "created", "id_must_not_be_zero",
                                 "id_must_not_be_int_max"])
        self.assertEqual(self.create(never, applied), ["id_already_failed", "exists"])

    def resolving(self, flags, pending_id, **fields):
        amount = AMOUNT_MAX if flags & POST else 0
        return fill(pb.Transfer(id=wire.id_bytes(next(self.ids)), flags=flags, amount=amount),
                    {"pending_id": pending_id, **fields})

    def transfers_that_post_or_void(self):
        pending, plain = self.event(flags=PENDING, amount=10), self.event()
        expiring = self.event(flags=PENDING, timeout=1)
        self.assertEqual(self.create(pending, plain, expiring), ["created"] * 3)
        for flags in POST, VOID:
            for expected, pending_id, fields in (
                    ("pending_id_must_not_be_zero", 0, {}),
                    ("pending_id_must_not_be_int_max", ID_MAX, {}),
                    ("pending_id_must_be_different", 77, {"id": 77}),
                    ("timeout_reserved_for_pending_transfer", pending.id, {"timeout": 1}),
                    ("pending_transfer_not_found", 10**15, {}),
                    ("pending_transfer_not_pending", plain.id, {"amount": 1}),
                    *((f"pending_transfer_has_different_{field}", pending.id, {field: value})
                      for field, value in (("debit_account_id", B), ("debit_account_id", NOBODY),
                                           ("credit_account_id", A), ("ledger", 203),
                                           ("credit_account_id", ID_MAX), ("code", 65535))),
                    ("exceeds_pending_transfer_amount", pending.id, {"amount": 11})):
                with self.subTest(expected, flags=flags, **fields):
                    self.assertEqual(self.create(self.resolving(flags, pending_id, **fields)),
                                     [expected])
        self.assertEqual(self.create(self.resolving(VOID, pending.id, amount=9)),
                         ["pending_transfer_has_different_amount"])
        self.assertEqual(self.create(self.resolving(POST, pending.id, amount=0)), ["created"])
        voided = self.event(flags=PENDING)
        self.assertEqual(self.create(voided, self.resolving(VOID, voided.id)), ["created"] * 2)
        wait_for("the pending transfer to expire", lambda: self.expired(expiring))
        for flags in POST, VOID:
            self.assertEqual(
                self.create(*(self.resolving(flags, p.id) for p in (pending, voided, expiring))),
                [f"pending_transfer_{became}"
                 for became in ("already_posted", "already_voided", "expired")])

    def expired(self, pending):
        found = self.ok("transactions", lookup_transfers=pb.LookupTransfersRequest(
            ids=[pending.id]))
        return found.pending[0].status == pb.PENDING_STATUS_EXPIRED

    def transfers_that_are_imported(self):
        debit, credit = next(self.numbers), next(self.numbers)
        opened = {debit: 10**18, credit: 10**18 + 50}
        self.assertEqual(self.open(*(account(number, flags=ACCOUNT_IMPORTED, timestamp=timestamp)
                                     for number, timestamp in opened.items())), ["created"] * 2)

        def old(timestamp, **fields):
            return self.event(**{"debit_account_id": debit, "credit_account_id": credit,
                                 "flags": IMPORTED, "timestamp": timestamp, **fields})
        last = opened[credit]
        for timestamp, expected in (
                (0, "imported_event_timestamp_out_of_range"),
                (2**63, "imported_event_timestamp_out_of_range"),
                (UINT64_MAX, "imported_event_timestamp_out_of_range"),
                (time.time_ns() + 3600 * SECOND_NS, "imported_event_timestamp_must_not_advance"),
                (TIMESTAMP_MAX, "imported_event_timestamp_must_not_advance"),
                (1, "imported_event_timestamp_must_postdate_debit_account"),
                (opened[debit], "imported_event_timestamp_must_postdate_debit_account"),
                (opened[debit] + 1, "imported_event_timestamp_must_postdate_credit_account"),
                (last, "imported_event_timestamp_must_postdate_credit_account"),
                (last + 1, "created"), (last + 1, "imported_event_timestamp_must_not_regress"),
                (1, "imported_event_timestamp_must_not_regress"), (last + 2, "created")):
            with self.subTest(expected, timestamp=timestamp):
                self.assertEqual(self.create(old(timestamp)), [expected])
        self.assertEqual(self.create(old(last + 3, flags=IMPORTED | PENDING, timeout=1)),
                         ["imported_event_timeout_must_be_zero"])
        self.assertEqual(self.create(old(last + 3), self.event()),
                         ["created", "imported_event_expected"])
        self.assertEqual(self.create(self.event(), old(last + 4)),
                         ["created", "imported_event_not_expected"])

    def transfers_in_chains(self):
        chain = [self.event(flags=LINKED) for _ in range(3)]
        end = self.event()
        self.assertEqual(self.create(*chain),
                         ["linked_event_failed"] * 2 + ["linked_event_chain_open"])
        self.assertEqual(self.create(chain[0]), ["linked_event_chain_open"])
        self.assertEqual(self.create(self.event(), chain[0]),
                         ["created", "linked_event_chain_open"])
        self.assertEqual(self.create(*chain, self.event(code=0)),
                         ["linked_event_failed"] * 3 + ["code_must_not_be_zero"])
        self.assertEqual(self.create(*chain, end), ["created"] * 4, "their ids were left free")
        self.assertEqual(self.create(*chain, end), ["exists"] + ["linked_event_failed"] * 3)

    def balances_that_overflow(self):
        """Each column by itself, and what is pending together with what is posted. Each transfer
        has a counterpart of its own, on which there is room."""
        for side, other in ("debit", "credit"), ("credit", "debit"):
            for steps in (
                    [(AMOUNT_MAX - 5, PENDING, "created"), (5, PENDING, "created")],
                    [(AMOUNT_MAX, PENDING, "created"), (1, PENDING, f"overflows_{side}s_pending"),
                     (AMOUNT_MAX, PENDING, f"overflows_{side}s_pending"), (0, PENDING, "created"),
                     (1, 0, f"overflows_{side}s"), (AMOUNT_MAX, 0, f"overflows_{side}s")],
                    [(AMOUNT_MAX, 0, "created"), (1, 0, f"overflows_{side}s_posted"),
                     (AMOUNT_MAX, 0, f"overflows_{side}s_posted"), (0, 0, "created"),
                     (1, PENDING, f"overflows_{side}s_posted")],
                    [(2**62, 0, "created"), (2**62 - 2, PENDING, "created"),
                     (2, 0, f"overflows_{side}s"), (2, PENDING, f"overflows_{side}s"),
                     (1, 0, "created"), (1, PENDING, f"overflows_{side}s")]):
                full = self.pair()[0]
                for amount, flags, expected in steps:
                    with self.subTest(expected, amount=amount, flags=flags):
                        self.assertEqual(self.create(self.event(**{
                            f"{side}_account_id": full, f"{other}_account_id": self.pair()[1],
                            "amount": amount, "flags": flags})), [expected])

    def times_to_come(self):
        """The longest timeout ends before time does, and an account that is ahead of time is left alone."""
        self.assertEqual(self.create(self.event(flags=PENDING, timeout=UINT32_MAX)), ["created"])
        debit, credit = self.pair()
        self.cluster.sql(debit % self.SHARDS, f"update accounts set timestamp_last ="
                         f" {TIMESTAMP_MAX - 10 * SECOND_NS - 1} where id = '{uuid(debit)}'")
        event = self.event(debit_account_id=debit, credit_account_id=credit)
        self.refused(pb.STATUS_UNAVAILABLE, "in the future", "transactions",
                     create_transfers=pb.CreateTransfersRequest(transfers=[event]))

    def bounds_of_accounts(self):
        for flags, side, expected in ((DEBITS_BOUND, "debit", "exceeds_credits"),
                                      (CREDITS_BOUND, "credit", "exceeds_debits")):
            for kind in 0, PENDING:
                number = next(self.numbers)
                self.assertEqual(self.open(account(number, flags=flags, credit_limit=10)),
                                 ["created"])
                for amount, result in ((11, expected), (2**62, expected), (10, "created"),
                                       (1, expected), (0, "created")):
                    with self.subTest(result, amount=amount, flags=kind):
                        self.assertEqual(self.create(self.event(**{
                            f"{side}_account_id": number, "amount": amount, "flags": kind})),
                            [result])

    # What is only tried.

    def test_a_dry_run_changes_nothing(self):
        debit, credit = self.pair()
        bounded = next(self.numbers)
        self.assertEqual(self.open(account(bounded, flags=DEBITS_BOUND, credit_limit=10)),
                         ["created"])
        pending = self.event(debit_account_id=debit, credit_account_id=credit, flags=PENDING,
                             amount=10)
        self.assertEqual(self.create(pending), ["created"])
        events = [self.event(debit_account_id=debit, credit_account_id=credit, amount=5),
                  self.event(debit_account_id=debit, credit_account_id=credit, flags=PENDING,
                             timeout=1),
                  self.event(debit_account_id=bounded, credit_account_id=credit, amount=11),
                  self.event(debit_account_id=NOBODY, credit_account_id=credit),
                  self.event(debit_account_id=debit, credit_account_id=credit,
                             flags=PENDING | CLOSING_DEBIT | LINKED),
                  self.event(debit_account_id=debit, credit_account_id=credit),
                  self.resolving(POST, pending.id, amount=4),
                  self.resolving(VOID, pending.id),
                  self.event(debit_account_id=debit, credit_account_id=credit, code=0)]
        expected = ["created", "created", "exceeds_credits", "debit_account_not_found",
                    "linked_event_failed", "debit_account_already_closed", "created",
                    "pending_transfer_already_posted", "code_must_not_be_zero"]
        before = self.state(debit, credit, bounded, pending, *events)
        for _ in range(2):
            self.assertEqual(self.create(*events, dry_run=True), expected)
            self.assertEqual(self.create(*events[::-1], dry_run=True)[-1], "created")
            self.assertEqual(self.state(debit, credit, bounded, pending, *events), before)
        self.assertEqual(self.create(*events), expected)
        self.assertNotEqual(self.state(debit, credit, bounded, pending, *events), before)

    def state(self, debit, credit, bounded, *events):
        """All that there is of these accounts and transfers."""
        accounts = self.ok("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=map(wire.id_bytes, (debit, credit, bounded))))
        transfers = self.ok("transactions", lookup_transfers=pb.LookupTransfersRequest(
            ids=[event.id for event in events]))
        counts = [self.cluster.sql(shard, "select (select count(*) from transfers),"
                                          " (select count(*) from pending_transfers),"
                                          " (select sum(timestamp_last) from accounts)")
                  for shard in range(self.SHARDS)]
        return accounts, transfers, counts
