"""Random batches of several clients at once, through broker, workers and two shards; then the books
are held against the rules, against what was acknowledged, and against what the wire says of them.

In the environment: FLORIN_SECONDS, how long the clients go on; FLORIN_SEED, to have the same
requests again, as far as their order on several workers lets them be the same."""
import collections
import os
import random
import secrets
import time

import traffic
import wire
from books import HISTORY, IMPORTED, LINKED, NOTHING, OPEN, Balances, Books
from cluster import SystemTest, wait_for
from wire import pb

SECONDS = int(os.environ.get("FLORIN_SECONDS", 15))
SEED = int(os.environ.get("FLORIN_SEED", 0)) or secrets.randbelow(2**32)
CLIENTS = 5
EVENTS_MAX = 8190
WINDOW_S, WINDOW_COUNT, WINDOW_SUM, AMOUNT_LIMIT, REVIEW_ABOVE = 3, 400, 400_000, 2900, 2700

CREATED = ("created", "exists")
# Once an event has met one of these, it can never be created.
FOR_GOOD = {"pending_transfer_already_posted", "pending_transfer_already_voided",
            "pending_transfer_expired", "imported_event_timestamp_must_not_regress",
            "imported_event_timestamp_must_postdate_debit_account",
            "imported_event_timestamp_must_postdate_credit_account"}
REMEMBERED = {"debit_account_not_found", "credit_account_not_found", "pending_transfer_not_found",
              "debit_account_already_closed", "credit_account_already_closed", "exceeds_credits",
              "exceeds_debits", "risk_declined"}

# What so much traffic can't leave out.
EXPECTED = (
    "created", "exists", "held for review", "expired", "linked_event_failed",
    "imported_event_not_expected", "timestamp_must_be_zero", "reserved_flag",
    "id_must_not_be_zero", "id_must_not_be_int_max", "exists_with_different_flags",
    "exists_with_different_debit_account_id", "id_already_failed", "accounts_must_be_different",
    "debit_account_id_must_not_be_zero", "debit_account_id_must_not_be_int_max",
    "pending_id_must_be_zero", "pending_id_must_not_be_zero", "closing_transfer_must_be_pending",
    "timeout_reserved_for_pending_transfer", "ledger_must_not_be_zero", "code_must_not_be_zero",
    "accounts_must_have_the_same_ledger", "transfer_must_have_the_same_ledger_as_accounts",
    "pending_transfer_has_different_credit_account_id", "pending_transfer_has_different_code",
    "pending_transfer_has_different_amount", "exceeds_pending_transfer_amount",
    "pending_transfer_already_posted", "pending_transfer_already_voided",
    "pending_transfer_expired", "imported_event_timestamp_must_not_regress",
    "imported_event_timeout_must_be_zero", "overflows_debits_posted", *sorted(REMEMBERED))


class Answers:
    """All that the clients were told, by transfer."""

    def __init__(self, clients):
        self.results, self.limits, self.opened = (collections.Counter() for _ in range(3))
        self.outcomes = collections.defaultdict(list)  # by id: (event, outcome, name, alone)
        self.limits_set = []  # (account, timestamp, limit)
        self.unanswered = set()  # ids of which an outcome is not known
        self.sent = 0
        for client in clients:
            for request, reply in client.answers:
                getattr(self, f"_add_{request.operation}")(request.events, reply)
            for request in client.unanswered:
                if request.operation == "create_transfers":
                    self.unanswered.update(event.id for event in request.events)

    def _add_create_transfers(self, events, reply):
        self.sent += len(events)
        if reply.status != pb.STATUS_OK:
            return
        linked_before = False
        for event, outcome in zip(events, reply.create_transfers.results, strict=True):
            name = wire.result_name(outcome.result)
            linked = bool(event.flags & LINKED)
            self.results[name] += 1
            self.results["held for review"] += outcome.held_for_review and name == "created"
            self.outcomes[wire.id_number(event.id)].append(
                (event, outcome, name, not linked and not linked_before))
            linked_before = linked

    def _add_open_accounts(self, events, reply):
        for outcome in reply.open_accounts.results:
            self.opened[wire.account_result_name(outcome.result)] += 1

    def _add_set_credit_limits(self, events, reply):
        for event, outcome in zip(events, reply.set_credit_limits.results, strict=True):
            self.limits[wire.limit_result_name(outcome.result)] += 1
            if outcome.timestamp:
                self.limits_set.append((wire.id_number(event.account_id), outcome.timestamp,
                                        event.credit_limit))

    def whole(self, number):
        """The outcomes of an id if all of them are known, else none."""
        known = wire.id_bytes(number) not in self.unanswered
        return self.outcomes.get(number, []) if known else []


def as_booked(event, transfer, pending):
    """Whether the books' row is what the event asks for, with what it leaves to the books."""
    resolves = event.flags & (traffic.POST | traffic.VOID)
    expected = [wire.id_number(event.debit_account_id), wire.id_number(event.credit_account_id),
                event.ledger, event.code, wire.id_number(event.user_data),
                event.reference.encode()]
    booked = [transfer.debit, transfer.credit, transfer.ledger, transfer.code, transfer.user_data,
              transfer.reference]
    if resolves:
        inherited = [pending.debit, pending.credit, pending.ledger, pending.code,
                     pending.user_data, pending.reference]
        expected = [own or other for own, other in zip(expected, inherited)]
    whole = traffic.AMOUNT_MAX if event.flags & traffic.POST else 0
    amount = pending.amount if resolves and event.amount == whole else event.amount
    balancing = event.flags & (traffic.BALANCING_DEBIT | traffic.BALANCING_CREDIT)
    held = traffic.PENDING | pb.TRANSFER_FLAG_REVIEW
    flags = {event.flags} | ({held} if event.flags == 0 else set())
    return (expected == booked and transfer.flags in flags and
            transfer.pending_id == wire.id_number(event.pending_id) and
            transfer.timeout == event.timeout and
            (transfer.amount <= amount if balancing else transfer.amount == amount) and
            (not event.flags & IMPORTED or transfer.timestamp == event.timestamp))


class PropertyTest(SystemTest):
    POOLS = {"accounts": 2, "transactions": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        print(f"\nseed {SEED}: FLORIN_SEED={SEED} FLORIN_SECONDS={SECONDS} has this again",
              flush=True)
        cls.random = random.Random(SEED)
        cls.opened = traffic.first_accounts()
        with cls.cluster.client() as client:
            cls.open_first(client)
            cls.set_rules(client)
        cls.answers = Answers(cls.run_traffic())
        wait_for("pending transfers to expire", lambda: not cls.overdue(), 30)
        cls.books = Books(cls.cluster)

    @classmethod
    def open_first(cls, client):
        for imported in False, True:
            accounts = [a for a in cls.opened.values()
                        if bool(a.flags & traffic.ACCOUNT_IMPORTED) == imported]
            reply = client.call("accounts",
                                open_accounts=pb.OpenAccountsRequest(accounts=accounts))
            assert not any(o.result for o in reply.open_accounts.results), reply

    @classmethod
    def set_rules(cls, client):
        """Risk has a say in one of the two ledgers."""
        cls.cluster.admin("risk", "set", "CZK", "--max", f"{AMOUNT_LIMIT / 100}",
                          "--review-above", f"{REVIEW_ABOVE / 100}", "--window", WINDOW_S,
                          "--count", WINDOW_COUNT, "--sum", f"{WINDOW_SUM / 100}")
        numbers = iter(range(10**6, 10**7))
        wait_for("the rules to hold", lambda: client.pay(
            next(numbers), 21, 22, AMOUNT_LIMIT + 1, ledger=traffic.CZK) == "risk_declined")

    @classmethod
    def run_traffic(cls):
        clients = [traffic.TrafficClient(cls.cluster, traffic.Traffic(SEED, number, CLIENTS))
                   for number in range(CLIENTS)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not any(client.failure for client in clients):
            time.sleep(0.1)
        for client in clients:
            client.ending.set()
        for client in clients:
            client.join(90)
            assert not client.is_alive() and not client.failure, \
                f"{client.failure}\n{cls.faults()}"
        statuses = sum((client.statuses for client in clients), collections.Counter())
        print(f"{sum(client.requests for client in clients)} requests; replies: {dict(statuses)}")
        return clients

    @classmethod
    def faults(cls):
        """What the processes said of errors."""
        return "\n".join(line for path in (cls.cluster.dir / "log").glob("*.log")
                         for line in path.read_text().splitlines()
                         if '"error"' in line or "shard_fault" in line)

    @classmethod
    def overdue(cls):
        """Pending transfers with a time, be it up or not: it is short for all of them."""
        return sum(int(cls.cluster.sql(shard, "select count(*) from pending_transfers"
                                              " where status = 1 and expires_at is not null")[0][0])
                   for shard in range(cls.cluster.shards))

    def assert_none(self, wrong):
        self.assertEqual(len(wrong), 0, "\n".join(map(str, wrong[:10])))

    # The books by themselves.

    def test_the_books_keep_their_rules(self):
        self.assert_none(self.books.audit(self.opened))
        self.cluster.verify()

    def test_no_window_of_risk_was_passed(self):
        for account, entries in self.books.histories.items():
            window, total = collections.deque(), 0
            for entry in entries:
                t = entry.transfer
                if (not entry.debit or entry.expired or t.ledger != traffic.CZK or
                        t.flags & (traffic.POST | traffic.VOID)):
                    continue
                window.append(t)
                total += t.amount
                while window[0].timestamp <= t.timestamp - WINDOW_S * 10**9:
                    total -= window.popleft().amount
                self.assertLessEqual(len(window), WINDOW_COUNT, (account, t))
                self.assertLessEqual(total, WINDOW_SUM, (account, t))
                self.assertLessEqual(t.amount, AMOUNT_LIMIT, t)
                if t.amount > REVIEW_ABOVE:
                    self.assertTrue(t.flags & pb.TRANSFER_FLAG_REVIEW, t)

    # What was acknowledged.

    def test_what_was_created_is_there_once(self):
        wrong = []
        for number, outcomes in self.answers.outcomes.items():
            booked = self.books.created.get(number)
            created = [(e, o) for e, o, name, _ in outcomes if name == "created"]
            for event, outcome in created:
                if (not booked or booked.timestamp != outcome.timestamp or
                        not as_booked(event, booked, self.books.created.get(booked.pending_id))):
                    wrong.append(("acknowledged as created:", event, outcome, booked))
            if len(created) > 1:
                wrong.append(("created more than once:", created))
            wrong += [("exists at another time", event, outcome, booked)
                      for event, outcome, name, alone in outcomes if name == "exists" and
                      (booked.timestamp != outcome.timestamp if alone and booked else alone)]
        self.assert_none(wrong)

    def test_what_was_refused_is_not_there(self):
        wrong = []
        for number, outcomes in self.answers.outcomes.items():
            booked, refused = self.books.created.get(number), self.books.refused.get(number)
            first = wire.result_name(refused.result) if refused else None
            for event, outcome, name, _ in outcomes:
                if name in REMEMBERED and name != first:
                    wrong.append(("refused for good:", event, name, "in the books:", first, booked))
                if name == "id_already_failed" and wire.result_name(outcome.first_result) != first:
                    wrong.append(("first result of", event, outcome, "in the books:", first))
            names = {name for _, _, name, _ in self.answers.whole(number)}
            if names and booked and not names & set(CREATED):
                wrong.append(("there, and never acknowledged:", booked, names))
        unknown = [row for rows in (self.books.created, self.books.refused)
                   for number, row in rows.items()
                   if number not in self.answers.outcomes and number >= 10**7 and
                   wire.id_bytes(number) not in self.answers.unanswered]
        self.assert_none(wrong + unknown)

    def test_what_was_created_was_never_refused_for_good(self):
        """A retry has the outcome of the first try: also one that comes while that is written."""
        wrong = []
        for number, outcomes in self.answers.outcomes.items():
            booked = self.books.created.get(number)
            wrong += [("told", name, event, "yet booked:", booked)
                      for event, _, name, alone in outcomes
                      if booked and alone and name in FOR_GOOD and
                      as_booked(event, booked, self.books.created.get(booked.pending_id))]
        self.assert_none(wrong)

    def test_what_was_acknowledged_of_limits_is_there(self):
        """Of several changes in one batch, of which nothing came between, the last."""
        wrong = []
        for account, timestamp, limit in self.answers.limits_set:
            after = [change for change in self.books.limits[account] if change[0] >= timestamp]
            if not after or (after[0][0] == timestamp and after[0][1] != limit):
                wrong.append((account, timestamp, limit, after[:1]))
        self.assert_none(wrong)

    def test_the_same_again_has_the_outcome_of_the_first_time(self):
        alone = [(event, outcome, name) for outcomes in self.answers.outcomes.values()
                 for event, outcome, name, alone in outcomes
                 if alone and (name == "created" or name in REMEMBERED)]
        for imported in False, True:
            chosen = [a for a in alone if bool(a[0].flags & IMPORTED) == imported]
            chosen = self.random.sample(chosen, min(len(chosen), 1000))
            self.assertTrue(chosen)
            again = self.client.transfer(*(event for event, _, _ in chosen))
            for (event, outcome, name), now in zip(chosen, again, strict=True):
                if name == "created":
                    self.assertEqual((wire.result_name(now.result), now.timestamp),
                                     ("exists", outcome.timestamp), event)
                else:
                    self.assertEqual((wire.result_name(now.result), now.first_result),
                                     ("id_already_failed", outcome.result), event)

    def test_all_kinds_of_results_came_up(self):
        counts = self.answers.results
        counts["expired"] = sum(e.expired for h in self.books.histories.values() for e in h) // 2
        print(f"\n{self.answers.sent} transfers sent, {len(self.books.created)} created,"
              f" {len(self.books.refused)} refused for good")
        for name, count in counts.most_common():
            print(f"{count:8} {name}")
        print(f"limits {dict(self.answers.limits)}, accounts {dict(self.answers.opened)}")
        self.assertEqual([name for name in EXPECTED if not counts[name]], [])
        self.assertTrue(self.answers.limits["set"] and self.answers.limits["exceeds_credits"])
        self.assertTrue(self.answers.opened["created"] and self.answers.opened["exists"])

    # What the wire says of the books.

    def ask(self, service, **operation):
        name, = operation
        reply = self.client.call(service, 30, **operation)
        self.assertEqual(reply.status, pb.STATUS_OK, reply.message)
        return getattr(reply, name)

    def pages(self, ask, rows, cursor):
        """All rows of all pages, each page as large as chance has it."""
        found = []
        while True:
            reply = ask(cursor, self.random.choice([200, 1000, EVENTS_MAX]))
            found += getattr(reply, rows)
            cursor = reply.next_cursor
            if not cursor:
                return found

    def assert_transfer(self, on_wire, booked):
        t = on_wire
        self.assertEqual(
            (*map(wire.id_number, (t.id, t.debit_account_id, t.credit_account_id, t.pending_id,
                                   t.user_data)), t.amount, t.timestamp, t.timeout, t.ledger,
             t.code, t.flags, t.reference.encode()),
            (*booked.facts()[:11], booked.reference))

    def statement(self, account, from_timestamp=0, until_timestamp=0, newest_first=False):
        return self.pages(lambda cursor, limit: self.ask("accounts", statement=pb.StatementRequest(
            account_id=wire.id_bytes(account), from_timestamp=from_timestamp,
            until_timestamp=until_timestamp, cursor=cursor, limit=limit,
            newest_first=newest_first)), "entries", 0)

    def assert_statement(self, found, entries):
        self.assertEqual([e.timestamp for e in found], [e.timestamp for e in entries])
        for on_wire, entry in zip(found, entries):
            self.assertEqual((on_wire.expired, on_wire.debits_pending, on_wire.debits_posted,
                              on_wire.credits_pending, on_wire.credits_posted),
                             (entry.expired, *entry.after))
            self.assert_transfer(on_wire.transfer, entry.transfer)

    def test_statements_are_the_histories(self):
        for account, entries in self.books.histories.items():
            self.assert_statement(self.statement(account), entries)
            self.assert_statement(self.statement(account, newest_first=True), entries[::-1])
            for _ in range(3):
                start, end = sorted(self.moment(entries) for _ in range(2))
                part = [e for e in entries if start <= e.timestamp < end]
                back = self.random.random() < 0.5
                self.assert_statement(self.statement(account, start, end, back),
                                      part[::-1] if back else part)

    def moment(self, entries):
        """At, just before or just after an entry."""
        at = self.random.choice(entries).timestamp if entries else time.time_ns()
        return at + self.random.randint(-1, 1)

    def test_balances_at_a_moment_are_those_of_the_history(self):
        for account in self.books.accounts.values():
            entries = self.books.histories[account.id]
            moments = [self.moment(entries) for _ in range(20)] + [account.timestamp - 1,
                                                                   account.timestamp, 0]
            for moment in moments:
                reply = self.client.call("accounts", balance_at=pb.BalanceAtRequest(
                    account_id=wire.id_bytes(account.id), timestamp=moment))
                if not account.flags & HISTORY:
                    self.assertEqual(reply.status, pb.STATUS_BAD_REQUEST)
                    self.assertIn("no history", reply.message)
                    break
                found = reply.balance_at
                self.assertEqual(
                    (found.debits_pending, found.debits_posted, found.credits_pending,
                     found.credits_posted, found.changed_at), self.balances_at(account, moment))

    def balances_at(self, account, moment):
        before = [e for e in self.books.histories[account.id]
                  if e.timestamp <= moment or not moment]
        if before:
            return (*before[-1].after, before[-1].timestamp)
        opened = account.timestamp <= moment or not moment
        return (*NOTHING, account.timestamp if opened else 0)

    def test_lookups_are_the_rows(self):
        numbers = [*self.books.created, *self.books.refused]
        self.random.shuffle(numbers)
        for start in range(0, len(numbers), EVENTS_MAX):
            asked = numbers[start:start + EVENTS_MAX]
            reply = self.ask("transactions", lookup_transfers=pb.LookupTransfersRequest(
                ids=map(wire.id_bytes, asked)))
            created = [self.books.created[n] for n in asked if n in self.books.created]
            refused = [self.books.refused[n] for n in asked if n in self.books.refused]
            self.assertEqual([len(reply.transfers), len(reply.refused)],
                             [len(created), len(refused)])
            for on_wire, booked in zip(reply.transfers, created):
                self.assert_transfer(on_wire, booked)
            for on_wire, booked in zip(reply.refused, refused):
                self.assert_transfer(on_wire.transfer, booked)
                self.assertEqual(on_wire.result, booked.result)
            self.assertEqual(
                [(wire.id_number(p.id), p.status) for p in reply.pending],
                [(t.id, self.books.pendings[t.id].status) for t in created
                 if t.id in self.books.pendings])

    def filters(self, rows):
        """A filter for all, and some that leave a part."""
        yield {}
        rows = list(rows)
        for _ in range(8):
            row = self.random.choice(rows)
            start, end = sorted(self.moment(rows) for _ in range(2))
            chosen = {"ledger": row.ledger, "code": row.code, "user_data": row.user_data,
                      "from_timestamp": start, "until_timestamp": end}
            yield {name: chosen[name] for name in self.random.sample(list(chosen),
                                                                     self.random.randint(1, 3))}

    def assert_lists(self, rows, ask, field, assert_row):
        for chosen in self.filters(rows):
            newest_first = self.random.random() < 0.5
            expected = sorted(
                (row for row in rows
                 if all(not value or getattr(row, name) == value for name, value in chosen.items()
                        if name in ("ledger", "code", "user_data")) and
                 chosen.get("from_timestamp", 0) <= row.timestamp <
                 (chosen.get("until_timestamp") or 2**63)),
                key=lambda row: (row.timestamp, row.id), reverse=newest_first)
            on_wire = {**chosen, "user_data": wire.id_bytes(chosen.get("user_data", 0))}
            found = self.pages(lambda cursor, limit: ask(pb.Filter(
                cursor=cursor, limit=limit, newest_first=newest_first, **on_wire)), field, b"")
            self.assertEqual([wire.id_number(row.id) for row in found],
                             [row.id for row in expected], chosen)
            for row, booked in zip(found, expected):
                assert_row(row, booked)

    def test_lists_of_transfers_are_the_rows(self):
        self.assert_lists(self.books.created.values(), lambda asked: self.ask(
            "transactions", list_transfers=pb.ListTransfersRequest(filter=asked)), "transfers",
            self.assert_transfer)

    def assert_account(self, on_wire, booked):
        self.assertEqual(
            (wire.id_number(on_wire.id), wire.id_number(on_wire.user_data),
             Balances(on_wire.debits_pending, on_wire.debits_posted, on_wire.credits_pending,
                      on_wire.credits_posted), on_wire.credit_limit, on_wire.timestamp,
             on_wire.ledger, on_wire.code, on_wire.flags),
            (booked.id, booked.user_data, booked.balances, booked.credit_limit, booked.timestamp,
             booked.ledger, booked.code, booked.flags))

    def test_lists_and_lookups_of_accounts_are_the_rows(self):
        accounts = self.books.accounts
        self.assert_lists(accounts.values(), lambda asked: self.ask(
            "accounts", list_accounts=pb.ListAccountsRequest(filter=asked)), "accounts",
            self.assert_account)
        found = self.ask("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=map(wire.id_bytes, accounts))).accounts
        self.assertEqual(len(found), len(accounts))
        for on_wire, booked in zip(found, accounts.values()):
            self.assert_account(on_wire, booked)

    def test_the_trial_balance_is_the_sum(self):
        sums = collections.defaultdict(lambda: [0] * 5)
        for account in self.books.accounts.values():
            key = account.ledger, account.code
            sums[key] = [a + b for a, b in zip(sums[key], (1, *account.balances))]
        rows = self.ask("accounts", trial_balance=pb.TrialBalanceRequest()).rows
        self.assertEqual(
            [(row.ledger, row.code, row.accounts_count, *map(int, (
                row.debits_pending, row.debits_posted, row.credits_pending, row.credits_posted)))
             for row in rows], [(*key, *sums[key]) for key in sorted(sums)])

    def test_what_is_open_is_what_is_held(self):
        """Nothing else is left of what was pending."""
        held = collections.Counter()
        for pending in self.books.pendings.values():
            if pending.status == OPEN:
                held[pending.debit, "debit"] += pending.amount
                held[pending.credit, "credit"] += pending.amount
        for account in self.books.accounts.values():
            self.assertEqual((account.balances.debits_pending, account.balances.credits_pending),
                             (held[account.id, "debit"], held[account.id, "credit"]))
