"""Clients that pay, read and ask through whatever happens, and write down what they were told."""
import json
import random
import threading
import time

import places
import wire
from places import ACCOUNTS, SLOT_BITS
from traffic import AMOUNT_MAX, DEBITS_BOUND, LINKED, PENDING, POST, VOID
from wire import pb

ATTEMPT_S = 1.0
PATIENCE_S = (2.0, 8.0)  # then a client may ask what became of it instead of asking for it again
PAUSE_S = 0.02  # after a refusal that passes
GIVE_UP_S = 90  # beyond any fault: a request that has no answer by then is a finding
KNOWN_MAX = 200  # ids that a client remembers, to look for or to post
HOLDS_S = (0, 1, 3, 7200)  # the last one never ends in a run, unless a clock is believed that is wrong
VICTIM_PAUSE_S = 0.05
HOLDS_A_REQUEST = 1000

APPLIED, REFUSED, GIVEN_UP, UNKNOWN = "applied", "refused", "given up", "unknown"
# Why a transfer may be refused here; anything else is a surprise.
REASONS = {"exceeds_credits", "linked_event_failed", "id_already_failed", "pending_transfer_not_found",
           "pending_transfer_already_posted", "pending_transfer_already_voided",
           "pending_transfer_expired"}


def open_accounts(client):
    for number in (*ACCOUNTS, *places.set_aside()):
        assert client.open_accounts([number], code=places.code(number),
                                    flags=DEBITS_BOUND if places.bounded(number) else 0) == ["created"]


class History:
    """One JSON object a line: an operation with when it was begun and answered (monotonic ns)."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii")
        self.lock = threading.Lock()
        self.counts = {APPLIED: 0, REFUSED: 0, GIVEN_UP: 0, UNKNOWN: 0, "reads": 0, "balances": 0,
                       "attempts": 0}

    def add(self, **operation):
        with self.lock:
            self.file.write(json.dumps(operation) + "\n")

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def mark_time(self):
        """What the clock says now: the books may not say anything else."""
        self.add(op="time", unix_ns=time.time_ns())

    def close(self):
        self.file.close()


class Client(threading.Thread):
    """One operation at a time. `surprises`: what should never have come."""

    accounts = ACCOUNTS
    reasons = REASONS

    def __init__(self, number, seed, endpoints, keys, history, ending):
        super().__init__(daemon=True)
        self.number, self.endpoints, self.keys = number, endpoints, keys
        self.random = random.Random(f"client {number} {seed}")
        self.history, self.ending = history, ending
        self.broker = number % len(endpoints)
        self.socket = None
        self.sequence = 0
        self.applied, self.pending = [], []
        self.surprises = []
        self.slowest_s = 0.0

    def run(self):
        try:
            while not self.ending.is_set():
                self.act()
        except Exception as error:
            self.surprises.append(repr(error))
        finally:
            self.hang_up()

    def act(self):
        kind = self.random.random()
        if kind < 0.6:
            self.pay(self.new_units())
        elif kind < 0.9:
            self.read()
        elif kind < 0.97:
            self.find()
        else:
            self.balance()

    # ------------------------------------------------------------------------------ the connection

    def hang_up(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def attempt(self, service, operation):
        """The reply when it is an answer; None when it has to be asked again."""
        if not self.socket:
            self.socket = wire.Client(self.endpoints[self.broker], self.keys)
        self.history.count("attempts")
        try:
            reply = self.socket.call(service, ATTEMPT_S, **operation)
        except wire.NoAnswer:
            self.hang_up()
            self.broker = (self.broker + 1) % len(self.endpoints)
            return None
        if reply.status == pb.STATUS_OK:
            return reply
        if reply.status not in wire.AGAIN:
            self.surprises.append(f"{service}: {wire.status_name(reply.status)}: {reply.message}")
        time.sleep(PAUSE_S)
        return None

    def ask(self, service, seconds=GIVE_UP_S, **operation):
        """Asks until there is an answer or the time is up: then None."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            reply = self.attempt(service, operation)
            if reply:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                return reply
        return None

    def answer(self, service, **operation):
        """The reply, with when it was asked for and when it was there; None is a surprise."""
        began = time.monotonic_ns()
        reply = self.ask(service, **operation)
        if not reply:
            self.surprises.append(f"{service}: no answer for {GIVE_UP_S} s")
        return reply, began, time.monotonic_ns()

    # ------------------------------------------------------------------------------------- paying

    def new_id(self):
        self.sequence += 1
        return ((self.number + 1) << 64 | self.sequence << SLOT_BITS) + self.random.randrange(1 << SLOT_BITS)

    def new_transfer(self, linked):
        """[id, debit account, credit account, amount, flags, pending id, timeout in s]"""
        kind = self.random.random()
        debit, credit = self.random.sample(self.accounts, 2)
        if kind < 0.15 and self.pending:
            flags = self.random.choice((POST, VOID))
            pending = self.pending.pop(self.random.randrange(len(self.pending)))
            return [self.new_id(), 0, 0, AMOUNT_MAX if flags == POST else 0, flags | linked, pending, 0]
        flags = PENDING if kind > 0.85 else 0
        timeout = self.random.choice(HOLDS_S) if flags else 0
        return [self.new_id(), debit, credit, self.random.randint(1, 1000), flags | linked, 0, timeout]

    def new_units(self):
        """Chains; most of them have one link."""
        units = []
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            links = self.random.choice((1, 1, 1, 1, 1, 1, 1, 2, 3))
            units.append([self.new_transfer(LINKED if link < links - 1 else 0)
                          for link in range(links)])
        return units

    def pay(self, units):
        began = time.monotonic_ns()
        verdicts = self.settle(units)
        ended = time.monotonic_ns()
        self.history.add(op="pay", client=self.number, began=began, ended=ended,
                         units=[{"transfers": unit, "verdict": verdict}
                                for unit, verdict in zip(units, verdicts)])
        for unit, verdict in zip(units, verdicts):
            self.history.count(verdict)
            if verdict == APPLIED:
                self.remember(unit)
            elif verdict == UNKNOWN:
                self.surprises.append(f"no outcome of {unit[0][0]:x} for {GIVE_UP_S} s")
        return verdicts

    def remember(self, unit):
        for transfer in unit:
            self.applied.append(transfer[0])
            if transfer[4] & PENDING:
                self.pending.append(transfer[0])
        del self.applied[:-KNOWN_MAX], self.pending[:-KNOWN_MAX]

    def settle(self, units):
        """Asks with the same ids until each has an outcome, or asks for the outcome in the end."""
        message = pb.CreateTransfersRequest(transfers=[_message(t) for unit in units for t in unit])
        patience = self.random.uniform(*PATIENCE_S)
        deadline = time.monotonic() + GIVE_UP_S
        reply = self.ask("transactions", patience, create_transfers=message)
        while time.monotonic() < deadline:
            if reply and (verdicts := self.verdicts(units, reply.create_transfers.results)):
                return verdicts
            if self.random.random() < 0.5:
                return self.outcomes(units)
            reply = self.ask("transactions", patience, create_transfers=message)
        return [UNKNOWN] * len(units)

    def verdicts(self, units, results):
        """None when risk could not be asked: nothing is decided then."""
        names = [wire.result_name(result.result) for result in results]
        if "risk_unavailable" in names:
            time.sleep(PAUSE_S)
            return None
        verdicts = []
        for unit in units:
            own, names = names[:len(unit)], names[len(unit):]
            # A chain that was created before says `exists` for its first link, for all of them.
            if own[0] == "exists" or set(own) == {"created"}:
                verdicts.append(APPLIED)
                continue
            verdicts.append(REFUSED)
            self.surprises += [f"{unit[0][0]:x}: {name}" for name in own if name not in self.reasons]
        return verdicts

    def outcomes(self, units):
        """What became of them; what did not happen until now never will."""
        ids = [transfer[0] for unit in units for transfer in unit]
        reply = self.ask("transactions", transfer_outcomes=pb.TransferOutcomesRequest(
            ids=[wire.id_bytes(number) for number in ids]))
        if not reply:
            return [UNKNOWN] * len(units)
        names = [wire.result_name(outcome.result) for outcome in reply.transfer_outcomes.outcomes]
        verdicts = []
        for unit in units:
            own, names = set(names[:len(unit)]), names[len(unit):]
            if "created" in own and len(own) > 1:
                self.surprises.append(f"{unit[0][0]:x}: a part of a chain was created: {own}")
            verdicts.append(APPLIED if own == {"created"} else GIVEN_UP)
        return verdicts

    # ------------------------------------------------------------------------------------ reading

    def read(self):
        accounts = self.random.sample(self.accounts, self.random.choice((1, 1, 2, 4)))
        reply, began, ended = self.answer("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(number) for number in accounts]))
        if not reply:
            return
        found = {wire.id_number(a.id): [a.debits_pending, a.debits_posted, a.credits_pending,
                                        a.credits_posted] for a in reply.lookup_accounts.accounts}
        if set(found) != set(accounts):
            self.surprises.append(f"accounts {accounts}: found {list(found)}")
        self.history.count("reads")
        self.history.add(op="read", client=self.number, began=began, ended=ended,
                         balances=list(found.items()))

    def find(self):
        """What was acknowledged is there for whoever looks."""
        if not self.applied:
            return
        ids = self.random.sample(self.applied, min(len(self.applied), 10))
        reply, _, _ = self.answer("transactions", lookup_transfers=pb.LookupTransfersRequest(
            ids=[wire.id_bytes(number) for number in ids]))
        found = {wire.id_number(t.id) for t in reply.lookup_transfers.transfers} if reply else set(ids)
        self.surprises += [f"{number:x} was acknowledged, and is not found" for number in ids
                           if number not in found]

    def balance(self):
        """The books at one moment. Victims pay each other alone: those of the others balance."""
        reply, _, _ = self.answer("accounts", trial_balance=pb.TrialBalanceRequest())
        if not reply:
            return
        self.history.count("balances")
        rows = [row for row in reply.trial_balance.rows if row.code == places.CODE]
        for kind in ("pending", "posted"):
            debits, credits = (sum(int(getattr(row, f"{side}_{kind}")) for row in rows)
                               for side in ("debits", "credits"))
            if debits != credits:
                self.surprises.append(f"{kind}: debits {debits}, credits {credits}")


class Victim(Client):
    """Pays on accounts that are set aside for faults of one row, and goes on when those are over."""

    reasons = REASONS | {"debit_account_not_found", "credit_account_not_found"}

    def __init__(self, shard, number, *arguments):
        super().__init__(number, *arguments)
        self.accounts = places.victims(shard)

    def act(self):
        self.pay([[self.new_transfer(0)]])
        self.ending.wait(VICTIM_PAUSE_S)

    def pays_again(self):
        """All faults are over."""
        if self.pay([[[self.new_id(), *self.accounts, 1, 0, 0, 0]]]) != [APPLIED]:
            self.surprises.append(f"accounts {self.accounts}: refused, and nothing is wrong any more")
        self.hang_up()


class Holder(Client):
    """Not a thread: makes holds for who breaks things."""

    def hold(self, count, debit, credit, timeout):
        for first in range(0, count, HOLDS_A_REQUEST):
            self.pay([[[self.new_id(), debit, credit, 1, PENDING, 0, timeout]]
                      for _ in range(first, min(count, first + HOLDS_A_REQUEST))])
        self.hang_up()


def _message(transfer):
    number, debit, credit, amount, flags, pending, timeout = transfer
    fields = {} if debit else {"ledger": 0, "code": 0}
    return wire.transfer(number, debit, credit, amount, flags=flags, timeout=timeout,
                         pending_id=wire.id_bytes(pending), **fields)
