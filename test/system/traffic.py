"""Random requests of several clients on few accounts, so that they collide, and the clients."""
import collections
import dataclasses
import hashlib
import random
import threading
import time
import traceback

import wire
from wire import pb

EUR, CZK = 978, 203
AMOUNT_MAX = 2**63 - 1
ID_MAX = 2**128 - 1
SLOTS = 1024
BATCH_MAX = 200

(LINKED, PENDING, POST, VOID, BALANCING_DEBIT, BALANCING_CREDIT, CLOSING_DEBIT, CLOSING_CREDIT,
 IMPORTED) = (1 << i for i in range(9))
DEBITS_BOUND, CREDITS_BOUND, HISTORY, ACCOUNT_IMPORTED, CLOSED = 2, 4, 8, 16, 32

# Neighbours are on two shards. By number: flags and credit limit.
REGULAR = {
    EUR: {1: (0, 0), 2: (HISTORY, 0), 3: (DEBITS_BOUND | HISTORY, 0), 4: (DEBITS_BOUND, 5000),
          5: (CREDITS_BOUND | HISTORY, 5000), 6: (CREDITS_BOUND, 0), 7: (DEBITS_BOUND, 500)},
    CZK: {21: (0, 0), 22: (HISTORY, 0), 23: (DEBITS_BOUND, 0), 24: (DEBITS_BOUND | HISTORY, 5000),
          25: (CREDITS_BOUND, 5000)},
}
LIMITED = [4, 5, 7, 24, 25]  # have their limits changed, and with history or without
WHALES = [10, 11]  # have balances near the greatest
CLOSABLE = [12, 13]
PAST = [31, 32, 33, 34]  # imported
CLOSED_FROM_THE_START = 14
LATECOMERS = range(101, 141)  # opened by the clients, with some of their events ahead of it

PAST_NS = 1_600_000_000 * 10**9


def first_accounts():
    """The accounts of all that is to come, by number."""
    accounts = {}

    def add(number, ledger=EUR, flags=0, limit=0, timestamp=0):
        accounts[number] = pb.Account(id=wire.id_bytes(number), ledger=ledger, code=1 + number % 3,
                                      flags=flags, credit_limit=limit, timestamp=timestamp,
                                      user_data=wire.id_bytes(number % 2))

    for ledger, numbers in REGULAR.items():
        for number, (flags, limit) in numbers.items():
            add(number, ledger, flags, limit)
    for number in WHALES + CLOSABLE:
        add(number)
    add(CLOSED_FROM_THE_START, flags=CLOSED)
    for number in PAST:
        add(number, flags=ACCOUNT_IMPORTED | (HISTORY if number % 2 else 0),
            timestamp=PAST_NS + number)
    return accounts


def derived(*names):
    """An id, or the seed of a generator, that is always the same for these names."""
    text = ":".join(map(str, names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


@dataclasses.dataclass
class Request:
    operation: str  # as in the Request message
    events: list
    manner: str = ""  # "twice": two at once; "abandoned": its socket is closed on it

    def send(self, client):
        service, message, field = {
            "create_transfers": ("transactions", pb.CreateTransfersRequest, "transfers"),
            "open_accounts": ("accounts", pb.OpenAccountsRequest, "accounts"),
            "set_credit_limits": ("accounts", pb.SetCreditLimitsRequest, "limits"),
        }[self.operation]
        return client.submit(service, **{self.operation: message(**{field: self.events})})


class Traffic:
    """What one client asks for, request by request. It is a function of the seed and the client's
    number alone, but that imported timestamps are told back from the moment."""

    def __init__(self, seed, number, clients):
        self.seed, self.number, self.clients = seed, number, clients
        self.random = random.Random(derived(seed, number))
        self.pendings = self.shared = 0  # how many have been made
        self.held = collections.deque(maxlen=40)  # pending transfers of its own
        self.sent = collections.deque(maxlen=400)
        self.later = []  # events that belong into one of the next batches

    def one_in(self, bound):
        return self.random.randrange(bound) == 0

    def request(self):
        kind = self.random.random()
        manner = self.random.choices(["", "twice", "abandoned"], [55, 35, 10])[0]
        if kind < 0.03:
            return Request("set_credit_limits", [self.limit() for _ in range(1 + self.one_in(3))],
                           manner)
        if kind < 0.05:
            return Request("open_accounts", [self.account() for _ in range(1 + self.one_in(3))],
                           manner)
        size = self.random.choice([1, 1, self.random.randint(1, 20),
                                   self.random.randint(1, BATCH_MAX)])
        events = self.past_batch(size) if kind < 0.15 else self.batch(size)
        if self.one_in(200):
            self.spoil_beyond_the_wire(self.random.choice(events))
        self.sent.extend(events)
        return Request("create_transfers", events, manner)

    def limit(self):
        number = self.random.choice(LIMITED) if not self.one_in(20) else 9999
        return pb.CreditLimit(account_id=wire.id_bytes(number),
                              credit_limit=self.random.choice([0, 500, 2000, 5000, 20000]))

    def account(self):
        number = self.random.choice(LATECOMERS)
        return pb.Account(id=wire.id_bytes(number), ledger=EUR, code=1 + self.one_in(8),
                          flags=self.random.choice([0, DEBITS_BOUND, CREDITS_BOUND, HISTORY]))

    # Batches.

    def batch(self, size):
        events, self.later = self.later, []
        if self.one_in(40):
            events.append(self.closing())
        while len(events) < size:
            if self.one_in(16):
                events += self.chain()
            else:
                events.append(self.event())
        return events[:BATCH_MAX]  # now and then a chain loses its end

    def chain(self):
        events = [self.event() for _ in range(self.random.randint(2, 6))]
        for event in events[:-1]:
            event.flags |= LINKED
        return events

    def past_batch(self, size):
        """Imported: a moment ago, in rising order."""
        now = time.time_ns()
        events = []
        for i in range(size):
            event = self.resolving() if self.one_in(8) else self.transfer(PAST)
            if self.one_in(6):
                event = self.pending(PAST)
                event.timeout = 0 if self.one_in(2) else event.timeout
            event.flags |= IMPORTED
            event.timestamp = now - self.random.randrange(1, 2 * 10**6) * 100 - (size - i) * 10**6
            events.append(event)
        if not self.one_in(4):
            events.sort(key=lambda event: event.timestamp)
        if self.one_in(10):
            events[-1].timestamp = self.random.choice([0, 2**63, PAST_NS, now + 10**15])
        if self.one_in(20):
            events[-1].flags &= ~IMPORTED
        return events

    # Events.

    def event(self):
        make = self.random.choices(
            [self.plain, self.any_pending, self.resolving, self.balancing, self.again,
             self.contested, self.whale, self.to_latecomer, self.spoiled],
            [36, 16, 20, 8, 5, 5, 3, 2, 5])[0]
        return make()

    def id_for(self, debit):
        """Mostly with the debit account's slot, as clients should; else a stranger."""
        number = self.random.getrandbits(128)
        return number if self.one_in(3) else number - number % SLOTS + debit % SLOTS

    def transfer(self, numbers=None, amount=None):
        ledger = EUR if numbers or self.random.random() < 0.6 else CZK
        debit, credit = self.random.sample(list(numbers or REGULAR[ledger]), 2)
        return wire.transfer(
            self.id_for(debit), debit, credit,
            self.random.choice([0, self.random.randint(1, 100), self.random.randint(1, 3000)])
            if amount is None else amount, ledger=ledger, code=self.random.randint(1, 3),
            user_data=wire.id_bytes(self.random.randrange(4)),
            reference=self.random.choice(["", "rent", "invoice 7 | März\nline", "€" * 46]))

    def plain(self):
        return self.transfer()

    def pending(self, numbers=None, flags=0):
        event = self.transfer(numbers)
        event.id = wire.id_bytes(derived(self.seed, self.number, "pending", self.pendings))
        event.flags = PENDING | flags
        event.timeout = self.random.choice([0, 1, 1, 1, 2, 2])
        self.pendings += 1
        self.held.append(event)
        return event

    def any_pending(self):
        return self.pending()

    def resolving(self):
        """Posts or voids a pending transfer: all or a part, by its maker or another client."""
        event = pb.Transfer(id=wire.id_bytes(self.random.getrandbits(128)))
        event.flags = self.random.choice([POST, VOID])
        if self.held and not self.one_in(5):
            held = self.held[-1 - min(int(self.random.expovariate(0.3)), len(self.held) - 1)]
            self.resolve(event, held)
        else:
            other = self.random.randrange(self.clients)
            number = max(0, self.pendings - self.random.randrange(1, 10))
            event.pending_id = wire.id_bytes(derived(self.seed, other, "pending", number))
            event.amount = AMOUNT_MAX if event.flags == POST else 0
        return event

    def resolve(self, event, held):
        event.pending_id = held.id
        part = self.random.randrange(held.amount + 2) if held.amount < AMOUNT_MAX else 1
        event.amount = self.random.choice(
            [AMOUNT_MAX, held.amount, part] if event.flags == POST else [0, 0, held.amount, part])
        if self.one_in(2):
            event.debit_account_id = held.debit_account_id
            event.credit_account_id = held.credit_account_id
        if self.one_in(2):
            event.ledger, event.code = held.ledger, held.code
        if self.one_in(20):
            event.code = 4
        if self.one_in(20):
            event.credit_account_id = wire.id_bytes(self.random.choice([1, 2, 3]))
        if self.one_in(2):
            event.reference = "resolved"

    def balancing(self):
        event = self.pending() if self.one_in(4) else self.transfer()
        event.flags |= self.random.choice([BALANCING_DEBIT, BALANCING_CREDIT,
                                           BALANCING_DEBIT | BALANCING_CREDIT])
        if self.one_in(2):
            event.amount = AMOUNT_MAX
        return event

    def closing(self):
        """Closes an account, mostly to be opened again by a void in a moment."""
        flags = self.random.choice([CLOSING_DEBIT, CLOSING_CREDIT, CLOSING_DEBIT | CLOSING_CREDIT])
        event = self.pending(None if self.one_in(3) else CLOSABLE, flags)
        event.timeout = 1
        if not self.one_in(3):
            void = pb.Transfer(id=wire.id_bytes(self.random.getrandbits(128)), flags=VOID,
                               pending_id=event.id)
            self.later += [self.transfer(CLOSABLE), void, self.transfer(CLOSABLE)]
        return event

    def again(self):
        """One that was sent before: as it was, or changed."""
        if not self.sent:
            return self.transfer()
        event = pb.Transfer()
        event.CopyFrom(self.random.choice(self.sent))
        if event.flags & IMPORTED or event.flags & LINKED:
            return self.transfer()
        if self.one_in(3):
            self.spoil(event)
        return event

    def contested(self):
        """Of an id that all clients use at about the same time, half of them for the same."""
        number, mine = self.shared, self.random
        self.shared += 1
        self.random = random.Random(derived(self.seed, "shared", number, mine.randrange(2)))
        event = self.transfer()
        event.id = wire.id_bytes(derived(self.seed, "shared", number))
        self.random = mine
        return event

    def whale(self):
        """Amounts that add up to too much."""
        numbers = WHALES if not self.one_in(4) else [self.random.choice(WHALES), 1]
        event = self.transfer(numbers) if self.one_in(2) else self.pending(numbers)
        if numbers is WHALES:
            event.amount = self.random.choice([2**60, 2**61, 2**62, AMOUNT_MAX])
        return event

    def to_latecomer(self):
        numbers = [self.random.choice(LATECOMERS), self.random.choice([1, 2, 3])]
        return self.transfer(numbers) if self.one_in(2) else self.pending(numbers)

    def spoiled(self):
        event = self.transfer() if not self.one_in(4) else self.pending()
        self.spoil(event)
        return event

    def spoil(self, event):
        """One field another one, of those that the books have a result for."""
        field, value = self.random.choice([
            ("id", b""), ("id", wire.id_bytes(ID_MAX)), ("debit_account_id", b""),
            ("debit_account_id", wire.id_bytes(ID_MAX)), ("credit_account_id", wire.id_bytes(4711)),
            ("debit_account_id", wire.id_bytes(4712)),
            ("credit_account_id", event.debit_account_id), ("credit_account_id", wire.id_bytes(21)),
            ("credit_account_id", wire.id_bytes(14)),
            ("amount", event.amount // 2 + 1), ("pending_id", event.id), ("pending_id", b""),
            ("timeout", 3), ("ledger", 0), ("ledger", 840), ("code", 0), ("code", 4),
            ("user_data", wire.id_bytes(77)), ("reference", "other"), ("timestamp", 1),
            *[("flags", event.flags ^ 1 << i) for i in range(1, 11)]])
        setattr(event, field, value)
        if event.flags & PENDING and event.flags & (CLOSING_DEBIT | CLOSING_CREDIT):
            event.timeout = 1  # not for ever

    def spoil_beyond_the_wire(self, event):
        """The whole request is refused for it."""
        field, value = self.random.choice([("id", b"short"), ("amount", 2**63), ("code", 2**16),
                                           ("reference", "x" * 141), ("user_data", b"x" * 17)])
        setattr(event, field, value)


class TrafficClient(threading.Thread):
    """Sends one client's traffic until it is told to end, and asks again until each request has an
    answer. In `answers` is all that was answered, late and doubled, too: pairs of a request and a
    reply. In `unanswered` are the requests of which an outcome was not told."""

    PATIENCE_S = 5

    def __init__(self, cluster, traffic):
        super().__init__(daemon=True)
        self.cluster, self.traffic = cluster, traffic
        self.answers, self.statuses = [], collections.Counter()
        self.requests = 0
        self.unanswered = []
        self.open = {}  # by request id
        self.ending = threading.Event()
        self.failure = None

    def run(self):
        try:
            self.client = self.cluster.client()
            while not self.ending.is_set():
                self.settle(self.traffic.request())
                self.requests += 1
            self.collect(lambda: not self.open, self.PATIENCE_S)
            self.abandon()
        except Exception:  # told by whoever waits for the thread
            self.failure = traceback.format_exc()

    def submit(self, request):
        self.open[request.send(self.client)] = request

    def abandon(self):
        """Nobody hears what is still answered."""
        self.client.close()
        self.unanswered += self.open.values()
        self.open = {}

    def settle(self, request):
        """Sends it until it is answered once."""
        self.settled = None
        self.submit(request)
        if request.manner == "twice":
            self.submit(request)
        elif request.manner == "abandoned":
            self.client.socket.poll(5)  # so that it goes out
            self.abandon()
            self.client = self.cluster.client()
            self.submit(request)
        deadline = time.monotonic() + 60
        while not self.collect(lambda: self.settled is request, self.PATIENCE_S):
            assert time.monotonic() < deadline, "no answer for a minute"
            self.submit(request)

    def collect(self, enough, seconds):
        """Takes replies until it is enough; false when the time is up or something is to be sent
        again."""
        deadline = time.monotonic() + seconds
        while True:
            if enough():
                return True
            try:
                reply = self.client.reply(max(0, deadline - time.monotonic()))
            except wire.NoAnswer:
                return False
            self.statuses[wire.status_name(reply.status)] += 1
            request = self.open.pop(reply.request_id, None)
            if reply.status in wire.AGAIN:
                self.unanswered += [request] if request else []
                time.sleep(0.05)
                return False
            assert reply.status in (pb.STATUS_OK, pb.STATUS_BAD_REQUEST), reply
            self.answers.append((request, reply))
            self.settled = request
