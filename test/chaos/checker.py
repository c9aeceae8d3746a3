"""Holds what clients were told against the books, as a bank and as a register.

As a bank: what was acknowledged is there once, what was refused or given up is not, nothing else is; a
chain is there whole; each balance follows from the one before it.

As a register: each account takes its writes in the order of its rows. That order must agree with real
time (what was answered before another was begun comes first), and each read must show the account
after some write that may have been the last at a moment between question and answer, and never an
earlier one than what anybody saw before it was asked. As the order is known from the books, no
search is needed: one pass over an account's rows, one over its reads."""
import bisect
import collections
import dataclasses
import json
import math

from traffic import PENDING, POST, VOID

OPENING = (0, 0, 0, 0)
CLOCK_NS = 5 * 10**9  # no more may the books' time be off, whatever a clock says

ROWS_SQL = """
select id, debit_account_id, credit_account_id, amount, flags, coalesce(pending_id::text, ''),
       timestamp, debit_debits_pending, debit_debits_posted, debit_credits_pending,
       debit_credits_posted, credit_debits_pending, credit_debits_posted, credit_credits_pending,
       credit_credits_posted
  from transfers where result = 0
union all
select id, debit_account_id, credit_account_id, amount, 0, 'expiry', resolved_at,
       debit_debits_pending, debit_debits_posted, debit_credits_pending, debit_credits_posted,
       credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted
  from pending_transfers where status = 4"""
ACCOUNTS_SQL = """
select id, debits_pending, debits_posted, credits_pending, credits_posted from accounts"""


@dataclasses.dataclass
class Entry:
    """A row's effect on one account: `after` are its debits pending and posted and its credits."""
    timestamp: int
    transfer: int
    expiry: bool
    debit: bool  # this account's side
    after: tuple


@dataclasses.dataclass
class Transfer:
    debit: int
    credit: int
    amount: int
    flags: int
    pending: int


class Books:
    """What all shards hold together; `differences` between copies of one transfer."""

    def __init__(self):
        self.transfers = {}
        self.entries = collections.defaultdict(list)  # by account, in order
        self.accounts = {}
        self.differences = []

    @classmethod
    def read(cls, cluster):
        books = cls()
        for shard in range(cluster.shards):
            for row in cluster.sql(shard, ROWS_SQL):
                books.add_row(row)
            for row in cluster.sql(shard, ACCOUNTS_SQL):
                books.accounts[_number(row[0])] = tuple(map(int, row[1:]))
        books.sort()
        return books

    def add_row(self, row):
        number, debit, credit = map(_number, row[:3])
        expiry = row[5] == "expiry"
        for is_debit, account, balances in (True, debit, row[7:11]), (False, credit, row[11:15]):
            if balances[0]:
                self.entries[account].append(
                    Entry(int(row[6]), number, expiry, is_debit, tuple(map(int, balances))))
        if not expiry:
            transfer = Transfer(debit, credit, int(row[3]), int(row[4]), _number(row[5]))
            if self.transfers.setdefault(number, transfer) != transfer:
                self.differences.append(f"{number:x}: its copies differ")

    def sort(self):
        for entries in self.entries.values():
            entries.sort(key=lambda entry: entry.timestamp)


def _number(uuid):
    return int(uuid.replace("-", ""), 16) if uuid else 0


# ---------------------------------------------------------------------------------------- as a bank


def check_promises(history, books):
    promised = {}
    for operation in history:
        for unit in operation.get("units", ()):
            for transfer in unit["transfers"]:
                promised[transfer[0]] = (unit["verdict"], transfer)
    for number, (verdict, transfer) in promised.items():
        found = books.transfers.get(number)
        if verdict == "applied" and not found:
            yield f"lost: {number:x} was acknowledged, and is not in the books"
        elif verdict in ("refused", "given up") and found:
            yield f"{number:x} was {verdict}, and is in the books"
        elif found and not _same(transfer, found):
            yield f"{number:x} is in the books as {found}, and was sent as {transfer}"
    for number in books.transfers.keys() - promised.keys():
        yield f"{number:x} is in the books, and nobody sent it"


def _same(sent, found):
    _, debit, credit, amount, flags, pending, _ = sent
    accounts = not debit or (debit, credit, amount) == (found.debit, found.credit, found.amount)
    return accounts and (flags, pending) == (found.flags, found.pending)


def check_chains(history, books):
    for operation in history:
        for unit in operation.get("units", ()):
            there = sum(transfer[0] in books.transfers for transfer in unit["transfers"])
            if there not in (0, len(unit["transfers"])):
                yield f"a part of a chain is in the books: {unit}"


def check_times(history, books):
    """No wrong clock is believed: what is booked was in the time of the run, and no hold ended early."""
    now = [operation["unix_ns"] for operation in history if operation["op"] == "time"]
    timeouts = {transfer[0]: transfer[6] for operation in history for unit in operation.get("units", ())
                for transfer in unit["transfers"]}
    for account, entries in books.entries.items():
        made = {entry.transfer: entry.timestamp for entry in entries if not entry.expiry}
        wrong = [entry for entry in entries if now and
                 not min(now) - CLOCK_NS <= entry.timestamp <= max(now) + CLOCK_NS]
        if wrong:
            yield (f"account {account}: {len(wrong)} of {len(entries)} rows are not of the time of the run; "
                   f"{wrong[0].transfer:x} is {(wrong[0].timestamp - max(now)) / 1e9:+.1f} s from its end")
        for number, at in ((entry.transfer, entry.timestamp) for entry in entries if entry.expiry):
            left = made[number] + timeouts.get(number, 0) * 10**9 - at
            if left > 0 or not timeouts.get(number):
                yield f"account {account}: the hold {number:x} was released {left / 1e9:.1f} s early"


def check_balances(books):
    yield from books.differences
    for account, entries in books.entries.items():
        before = OPENING
        for entry in entries:
            expected = _after(before, entry, books)
            if entry.after != expected:
                yield (f"account {account}: after {entry.transfer:x} its balances are {entry.after}, not "
                       f"{expected}: something is missing or there twice")
            before = entry.after
        if books.accounts[account] != before:
            yield f"account {account} has {books.accounts[account]}, its last row says {before}"
    for kind, debits, credits in ("pending", 0, 2), ("posted", 1, 3):
        sums = [sum(balances[side] for balances in books.accounts.values()) for side in (debits, credits)]
        if sums[0] != sums[1]:
            yield f"{kind}: debits are {sums[0]}, credits {sums[1]}"


def _after(before, entry, books):
    transfer = books.transfers[entry.transfer]
    pending = posted = 0
    if entry.expiry:
        pending = -transfer.amount
    elif transfer.flags & PENDING:
        pending = transfer.amount
    elif transfer.flags & (POST | VOID):
        pending = -books.transfers[transfer.pending].amount
        posted = transfer.amount if transfer.flags & POST else 0
    else:
        posted = transfer.amount
    first = 0 if entry.debit else 2
    after = list(before)
    after[first] += pending
    after[first + 1] += posted
    return tuple(after)


# ------------------------------------------------------------------------------------ as a register


def check_registers(history, books):
    spans, reads = {}, collections.defaultdict(list)
    for operation in history:
        for unit in operation.get("units", ()):
            # What has no outcome may have happened at any time from its beginning on.
            ended = operation["ended"] if unit["verdict"] == "applied" else math.inf
            for transfer in unit["transfers"]:
                spans[transfer[0]] = (operation["began"], ended)
        for account, balances in operation.get("balances", ()):
            reads[account].append((operation["began"], operation["ended"], tuple(balances)))
    for account in books.accounts:
        entries = books.entries.get(account, [])
        # Nobody asked for an expiry, and nobody was told of it.
        writes = [(-math.inf, math.inf) if entry.expiry else spans.get(entry.transfer, (-math.inf, math.inf))
                  for entry in entries]
        yield from _check_writes(account, entries, writes)
        yield from _check_reads(account, entries, writes, reads[account])


def _check_writes(account, entries, writes):
    """An answered write is not overtaken by one that was begun later."""
    earliest_end = math.inf
    for entry, (began, ended) in zip(reversed(entries), reversed(writes)):
        if earliest_end < began:
            yield (f"account {account}: {entry.transfer:x} is ahead of a transfer that was answered before "
                   "it was begun")
        earliest_end = min(earliest_end, ended)


def _check_reads(account, entries, writes, reads):
    """State k is the account after k writes. A read takes the earliest state that it may: so it leaves
    those after it the widest choice, and a search would find nothing more."""
    states = collections.defaultdict(list)
    for k, after in enumerate([OPENING] + [entry.after for entry in entries]):
        states[after].append(k)
    # Writes begun by a moment, without a gap: the k-th needs those before it.
    begun = []
    for began, _ in writes:
        begun.append(max(began, begun[-1]) if begun else began)
    seen = _Floor([(ended, k + 1) for k, (_, ended) in enumerate(writes) if ended < math.inf])
    for began, ended, balances in sorted(reads):
        lowest, highest = seen.at(began), bisect.bisect_right(begun, ended)
        ks = states.get(balances, [])
        i = bisect.bisect_left(ks, lowest)
        if i == len(ks) or ks[i] > highest:
            yield (f"account {account}: a read says {balances}, which is after {ks or 'no'} of its writes; "
                   f"it may be after {lowest} to {highest}")
        else:
            seen.add(ended, ks[i])


class _Floor:
    """The greatest number that was known at a moment. Moments are asked for in rising order."""

    def __init__(self, known):
        self.waiting = sorted(known, reverse=True)
        self.late = []
        self.greatest = 0

    def add(self, moment, number):
        bisect.insort(self.late, (moment, number))

    def at(self, moment):
        while self.waiting and self.waiting[-1][0] < moment:
            self.greatest = max(self.greatest, self.waiting.pop()[1])
        while self.late and self.late[0][0] < moment:
            self.greatest = max(self.greatest, self.late.pop(0)[1])
        return self.greatest


# ----------------------------------------------------------------------------------------- all of it


def load(path):
    with open(path, encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def check(history, books):
    """Findings, in words."""
    return [*check_promises(history, books), *check_chains(history, books), *check_balances(books),
            *check_times(history, books), *check_registers(history, books)]
