"""The books of a whole cluster as its databases hold them, read with SQL alone, and the rules that
an auditor holds them against."""
import collections
import dataclasses

SLOTS = 1024
BALANCE_MAX = 2**63 - 1
BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")

# Flags of accounts and of transfers.
DEBITS_BOUND, CREDITS_BOUND, HISTORY, CLOSED = 2, 4, 8, 32
LINKED, PENDING, POST, VOID, CLOSING_DEBIT, CLOSING_CREDIT, IMPORTED = 1, 2, 4, 8, 64, 128, 256
OPEN, POSTED, VOIDED, EXPIRED = range(1, 5)

Balances = collections.namedtuple("Balances", BALANCES)
NOTHING = Balances(0, 0, 0, 0)

# A line of an account's history; `debit` says on which side of the transfer the account is.
Entry = collections.namedtuple("Entry", "timestamp transfer expired debit after")


@dataclasses.dataclass(slots=True)
class Account:
    id: int
    user_data: int
    balances: Balances
    credit_limit: int
    timestamp: int
    timestamp_last: int
    ledger: int
    code: int
    flags: int
    shard: int


@dataclasses.dataclass(slots=True)
class Transfer:
    id: int
    debit: int
    credit: int
    pending_id: int
    user_data: int
    amount: int
    timestamp: int
    timeout: int
    ledger: int
    code: int
    flags: int
    result: int
    reference: bytes
    debit_after: Balances
    credit_after: Balances
    shards: set = None

    def facts(self):
        """What all copies have in common."""
        return tuple(getattr(self, name) for name in self.__slots__[:13])


@dataclasses.dataclass(slots=True)
class Pending:
    """What became of a pending transfer."""
    id: int
    debit: int
    credit: int
    amount: int
    expires_at: int
    status: int
    resolved_at: int
    debit_after: Balances
    credit_after: Balances
    shards: set = None

    def facts(self):
        return tuple(getattr(self, name) for name in self.__slots__[:7])


def hex_of(column):
    return f"encode(uuid_send({column}), 'hex')"


def after_of(side):
    return ", ".join(f"{side}_{balance}" for balance in BALANCES)


ACCOUNTS = (f"select {hex_of('id')}, {hex_of('user_data')}, {', '.join(BALANCES)}, credit_limit,"
            " timestamp, timestamp_last, ledger, code, flags from accounts")
TRANSFERS = (f"select {hex_of('id')}, {hex_of('debit_account_id')}, {hex_of('credit_account_id')},"
             f" {hex_of('pending_id')}, {hex_of('user_data')}, amount, timestamp, timeout_s,"
             " ledger, code, flags, result, encode(convert_to(reference, 'UTF8'), 'hex'),"
             f" {after_of('debit')}, {after_of('credit')} from transfers")
PENDINGS = (f"select {hex_of('id')}, {hex_of('debit_account_id')}, {hex_of('credit_account_id')},"
            f" amount, expires_at, status, resolved_at, {after_of('debit')}, {after_of('credit')}"
            " from pending_transfers")
LIMITS = f"select {hex_of('account_id')}, timestamp, credit_limit from credit_limits"


def ids(texts):
    return [int(text or "0", 16) for text in texts]


def numbers(texts):
    return [int(text or "0") for text in texts]


def balances(texts):
    return Balances(*map(int, texts)) if texts[1] else None


class Books:
    """All rows of all shards. `wrong` says, in words, what breaks a rule."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.wrong = []
        self.accounts, self.created, self.refused, self.pendings = {}, {}, {}, {}
        self.limits = collections.defaultdict(list)  # by account: (timestamp, limit), ascending
        self.resolvers = collections.defaultdict(list)  # by pending transfer: its posts and voids
        for shard in range(cluster.shards):
            self._read_accounts(shard)
            self._read_transfers(shard)
            self._read_pendings(shard)
            for account, timestamp, limit in cluster.sql(shard, LIMITS):
                self.limits[int(account, 16)].append((int(timestamp), int(limit)))
        for transfer in self.created.values():
            if transfer.pending_id:
                self.resolvers[transfer.pending_id].append(transfer)
        self.histories = self._histories()

    def expect(self, holds, *words):
        if not holds:
            self.wrong.append(" ".join(f"{word:#x}" if isinstance(word, int) else str(word)
                                       for word in words))

    def home(self, number):
        return number % SLOTS % self.cluster.shards

    def _read_accounts(self, shard):
        for row in self.cluster.sql(shard, ACCOUNTS):
            account = Account(*ids(row[:2]), balances(row[2:6]), *numbers(row[6:]), shard)
            self.expect(account.id not in self.accounts, "account", account.id, "is on two shards")
            self.expect(self.home(account.id) == shard, "account", account.id, "is on shard", shard)
            self.accounts[account.id] = account

    def _join(self, rows, row, shard):
        """Adds a copy to those of other shards; each side's balances stand in one of them."""
        first = rows.setdefault(row.id, row)
        if first is row:
            first.shards = {shard}
            return
        self.expect(first.facts() == row.facts(), "copies differ:", first, row)
        for side in "debit_after", "credit_after":
            self.expect(not getattr(first, side) or not getattr(row, side), side, "of", row.id,
                        "stands on two shards")
            setattr(first, side, getattr(first, side) or getattr(row, side))
        first.shards.add(shard)

    def _expect_sides(self, row, shard):
        """Of a row as one shard has it: balances stand where their account lives."""
        for account, after in (row.debit, row.debit_after), (row.credit, row.credit_after):
            self.expect((after is not None) == (self.home(account) == shard), "balances of account",
                        account, "after", row.id, "on shard", shard)

    def _read_transfers(self, shard):
        for row in self.cluster.sql(shard, TRANSFERS):
            transfer = Transfer(*ids(row[:5]), *numbers(row[5:12]), bytes.fromhex(row[12]),
                                balances(row[13:17]), balances(row[17:21]))
            if transfer.result == 0:
                self._expect_sides(transfer, shard)
            self._join(self.refused if transfer.result else self.created, transfer, shard)

    def _read_pendings(self, shard):
        for row in self.cluster.sql(shard, PENDINGS):
            pending = Pending(*ids(row[:3]), *numbers(row[3:7]), balances(row[7:11]),
                              balances(row[11:15]))
            if pending.status == EXPIRED:
                self._expect_sides(pending, shard)
            self._join(self.pendings, pending, shard)

    def _histories(self):
        histories = {account: [] for account in self.accounts}
        rows = [(t.timestamp, t, t, False) for t in self.created.values()]
        rows += [(p.resolved_at, p, self.created.get(p.id), True) for p in self.pendings.values()
                 if p.status == EXPIRED]
        for timestamp, row, transfer, expired in rows:
            for account, debit, after in ((row.debit, True, row.debit_after),
                                          (row.credit, False, row.credit_after)):
                if account not in histories or transfer is None or after is None:
                    self.expect(False, "no account", account, "or no balances for", row)
                    continue
                histories[account].append(Entry(timestamp, transfer, expired, debit, after))
        for entries in histories.values():
            entries.sort(key=lambda entry: entry.timestamp)
        return histories

    # The rules.

    def audit(self, opened=None):
        """Holds everything against the rules, and returns what is wrong. `opened`: the accounts,
        by id, as they were opened; of others it is supposed that they were opened as they are."""
        for transfer in self.created.values():
            self._audit_created(transfer)
        for refused in self.refused.values():
            self._audit_refused(refused)
        for pending in self.pendings.values():
            self._audit_pending(pending)
        for account in self.accounts.values():
            Walk(self, account, (opened or {}).get(account.id)).run()
        self._audit_sums()
        self._audit_pairs()
        return self.wrong

    def _audit_created(self, t):
        self.expect(t.id not in self.refused, "both created and refused:", t.id)
        self.expect(t.shards == {self.home(t.id), self.home(t.debit), self.home(t.credit)},
                    "transfer", t.id, "is on shards", t.shards)
        for account in t.debit, t.credit:
            if account in self.accounts:
                self.expect(self.accounts[account].ledger == t.ledger, "ledger of", t)
        self.expect((t.id in self.pendings) == bool(t.flags & PENDING), "pending or not:", t)
        if t.flags & (POST | VOID):
            self._audit_resolver(t, self.created.get(t.pending_id))

    def _audit_resolver(self, t, pending):
        if not pending or not pending.flags & PENDING:
            self.expect(False, "resolves what is not pending:", t)
            return
        for name in "debit", "credit", "ledger", "code":
            self.expect(getattr(t, name) == getattr(pending, name), name, "of", t, "and", pending)
        most = pending.amount
        self.expect(t.amount == most or (t.flags & POST and t.amount < most), "amount of", t)

    def _audit_refused(self, t):
        self.expect(t.shards == {self.home(t.id)}, "refused", t.id, "is on shards", t.shards)
        self.expect(not t.debit_after and not t.credit_after, "refused with balances:", t)

    def _audit_pending(self, p):
        t = self.created.get(p.id)
        if not t:
            self.expect(False, "status of no transfer:", p)
            return
        self.expect(p.shards == t.shards, "transfer", t.id, "is on", t.shards, "its status on",
                    p.shards)
        self.expect((p.debit, p.credit, p.amount) == (t.debit, t.credit, t.amount), p, "is not", t)
        expires_at = t.timestamp + t.timeout * 10**9 if t.timeout else 0
        self.expect(p.expires_at == expires_at, "time of", p)
        resolvers = self.resolvers[p.id]
        expected = {OPEN: 0, POSTED: POST, VOIDED: VOID, EXPIRED: 0}[p.status]
        if expected:
            self.expect(len(resolvers) == 1 and resolvers[0].flags & expected and
                        resolvers[0].timestamp == p.resolved_at and
                        (not expires_at or p.resolved_at < expires_at), p, "by", resolvers)
        else:
            self.expect(not resolvers, p, "and yet", resolvers)
        if p.status == EXPIRED:
            self.expect(expires_at and p.resolved_at >= expires_at, "expired early:", p)

    def _audit_sums(self):
        """In each ledger the debits of all accounts are the credits."""
        sums = collections.defaultdict(lambda: [0] * 4)
        for account in self.accounts.values():
            sums[account.ledger] = [a + b for a, b in zip(sums[account.ledger], account.balances)]
        for ledger, (d_pending, d_posted, c_pending, c_posted) in sums.items():
            self.expect((d_pending, d_posted) == (c_pending, c_posted), "ledger", str(ledger),
                        "does not balance:", sums[ledger])

    def _audit_pairs(self):
        """What went from one shard to another, as the balances on each of the two tell it."""
        pairs = collections.defaultdict(lambda: [0] * 4)
        for account, entries in self.histories.items():
            before = NOTHING
            for entry in entries:
                t = entry.transfer
                pair = pairs[t.ledger, self.home(t.debit), self.home(t.credit)]
                for i in range(4):
                    pair[i] += entry.after[i] - before[i]
                before = entry.after
        for (ledger, *shards), (d_pending, d_posted, c_pending, c_posted) in pairs.items():
            self.expect((d_pending, d_posted) == (c_pending, c_posted), "ledger", str(ledger),
                        "between shards", shards, "does not balance")


class Walk:
    """One account's history from its opening on, with what must hold at every moment of it."""

    def __init__(self, books, account, opened):
        self.books, self.account = books, account
        self.now, self.last = NOTHING, account.timestamp
        self.limit = opened.credit_limit if opened else account.credit_limit
        self.closed = bool((opened or account).flags & CLOSED)

    def expect(self, holds, *words):
        self.books.expect(holds, "account", self.account.id, *words)

    def run(self):
        account = self.account
        moments = [(entry.timestamp, self.step, entry)
                   for entry in self.books.histories[account.id]]
        moments += [(timestamp, self.change_limit, limit)
                    for timestamp, limit in self.books.limits.get(account.id, ())]
        for timestamp, apply, what in sorted(moments, key=lambda moment: moment[0]):
            self.expect(timestamp > self.last, "timestamps do not rise at", what)
            self.last = timestamp
            apply(what)
            self.expect_bounds(what)
        self.expect(self.now == account.balances, "is", account.balances, "but its history says",
                    self.now)
        self.expect(self.limit == account.credit_limit, "credit limit", account.credit_limit)
        self.expect(self.last == account.timestamp_last, "timestamp_last", account.timestamp_last)
        self.expect(self.closed == bool(account.flags & CLOSED), "closed or not:", account.flags)

    def change_limit(self, limit):
        self.limit = limit

    def step(self, entry):
        t = entry.transfer
        held = self.books.created.get(t.pending_id) if t.flags & (POST | VOID) else None
        releases = t if entry.expired else held
        self.expect(not self.closed or entry.expired or t.flags & VOID, "was closed at", entry)
        pending = (t.amount if t.flags & PENDING else 0) - (releases.amount if held else 0)
        posted = 0 if t.flags & (PENDING | VOID) else t.amount
        if entry.expired:
            pending = -t.amount
        delta = (pending, posted, 0, 0) if entry.debit else (0, 0, pending, posted)
        self.now = Balances(*(a + b for a, b in zip(self.now, delta)))
        self.expect(self.now == entry.after, "should be", self.now, "after", entry)
        self.now = entry.after  # one mistake, one message
        self.close(CLOSING_DEBIT if entry.debit else CLOSING_CREDIT, t, releases)

    def close(self, flag, transfer, releases):
        if releases:
            self.closed = self.closed and not releases.flags & flag
        elif transfer.flags & PENDING and transfer.flags & flag:
            self.closed = True

    def expect_bounds(self, what):
        d_pending, d_posted, c_pending, c_posted = self.now
        self.expect(min(self.now) >= 0 and d_pending + d_posted <= BALANCE_MAX and
                    c_pending + c_posted <= BALANCE_MAX, "leaves the range:", self.now, "at", what)
        if self.account.flags & DEBITS_BOUND:
            self.expect(d_pending + d_posted <= c_posted + self.limit, "exceeds its credits and",
                        str(self.limit), "with", self.now, "at", what)
        if self.account.flags & CREDITS_BOUND:
            self.expect(c_pending + c_posted <= d_posted + self.limit, "exceeds its debits and",
                        str(self.limit), "with", self.now, "at", what)
