"""What is broken, when, and for how long: it follows from the seed.

Two manners take turns. In a crowd, up to three faults are on at once, of any kind. Solo faults come one
at a time, with peace between them: then it can be said who touches what is broken and who does not,
and the bystanders are judged (bystanders.py)."""
import dataclasses
import random

import places

FIRST_S = 2  # the load is to run before anything happens
LAST_S = 1  # before the end, in which nothing new begins

# In a crowd.
GAP_S = (0.3, 2.5)  # between the beginnings of two faults
AT_ONCE_MAX = 3
CROWD_S = 20  # then solo faults
NETWORK_SHARE = 0.4
BOOKS_SHARE = 0.25  # of what is left

# Alone.
PEACE_S = (3.0, 5.0)  # from the end of one to the beginning of the next
SOLO_COUNT = 4  # then a crowd

PROCESS_S = (0.2, 4.0)  # how long a process is down, or mute
NETWORK_S = (0.3, 5.0)
POOLS = ("accounts", "transactions", "risk")
# Weights: a shard takes seconds to come back, and nothing crosses shards meanwhile.
PROCESS_KINDS = {"kill": 5, "stop": 5, "restart": 2}
NETWORK_KINDS = {"cut": 3, "one-way": 3, "alone": 2, "lossy": 2, "slow": 2}
PARTS = {"broker": 3, "accounts": 2, "transactions": 6, "risk": 2, "shard": 3}

# What is wrong around the books, while every process runs: how long, in seconds.
BOOKS_KINDS = {
    "clock-step": (2, 8), "clock-drift": (4, 10), "clock-server": (2, 8), "readers": (3, 8),
    "snapshot": (10, 30), "table-lock": (2, 6), "foreign-row": (2, 8), "prepared-full": (2, 8),
    "row-gone": (2, 6), "row-kept": (2, 6), "holds": (4, 8)}
CLOCK_PARTS = {"transactions": 3, "accounts": 1, "risk": 1}
CLOCK_SERVER = places.SHARDS - 1  # the one server whose clock can be moved
HOUR_S, DAY_S, YEAR_S = 3600, 86400, 365 * 86400
STEPS_S = (36, 8 * HOUR_S, DAY_S, 10 * YEAR_S, -36, -DAY_S)
DRIFTS_MS = (50, 200, 1000, -200)  # in each second
SERVER_STEPS_S = (36, DAY_S, -DAY_S)
LOCKED = ("accounts", "transfers", "pending_transfers")
LOCK_MODES = ("EXCLUSIVE", "ACCESS EXCLUSIVE")
HOLDS = (1000, 4000)
READERS = (4, 12)

SOLO = (*BOOKS_KINDS, "stop shard", "kill shard")  # of these, bystanders are to feel nothing


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float  # seconds from the beginning
    seconds: float
    kind: str
    target: tuple  # a process, one host, or two; no two faults are on the same one at a time
    loss: int = 0  # of 1000
    delay_ms: int = 0
    jitter_ms: int = 0
    number: int = 0  # how far a clock is off; an account; how many readers, or holds
    lock: tuple = ()  # a table and a mode

    def name(self):
        """As it is counted: `kill broker`, `cut`."""
        if self.kind not in PROCESS_KINDS:
            return self.kind
        return f"{self.kind} {self.target[0].rsplit('-', 1)[0]}"

    def ends(self):
        return self.at + self.seconds

    def shard(self):
        """The number of the shard that it is on; None when it is on none."""
        part, _, number = self.target[0].rpartition("-")
        return int(number) if part == "shard" else None

    def links(self, hosts):
        """The directed pairs of hosts that it is on."""
        first = self.target[0]
        if self.kind == "alone":
            others = [host for host in hosts if host != first]
            return [(first, other) for other in others] + [(other, first) for other in others]
        pair = self.target
        return [pair] if self.kind == "one-way" else [pair, pair[::-1]]


def chosen(name, classes):
    """`classes`: all, old, new, names as Fault.name() has them, or their first words."""
    kind = name.split()[0]
    words = {"all", "new" if kind in BOOKS_KINDS else "old", name, kind, kind.split("-")[0]}
    return not words.isdisjoint(classes)


def schedule(seed, seconds, processes, hosts, classes=("all",)):
    """Faults in the order in which they begin."""
    return Draw(seed, processes, hosts, classes).until(seconds - LAST_S)


class Draw:
    def __init__(self, seed, processes, hosts, classes):
        self.random = random.Random(f"faults {seed}")
        self.processes, self.hosts, self.classes = processes, hosts, classes
        names = [f"{kind} {part}" for kind in PROCESS_KINDS for part in PARTS]
        names = [*BOOKS_KINDS, *names, *(NETWORK_KINDS if hosts else ())]
        wanted = [name for name in names if chosen(name, classes)]
        if not wanted:
            raise ValueError(f"no fault is called {' or '.join(classes)}")
        crowd = set(wanted) - set(SOLO)
        alone = set(wanted) & set(BOOKS_KINDS) or not crowd
        self.crowd = bool(crowd)
        self.solo = [name for name in SOLO if alone and ("new" in classes or chosen(name, classes))]
        self.deck = []
        self.faults, self.at = [], FIRST_S

    def until(self, end):
        while self.at < end:
            if self.crowd:
                self.draw_crowd(min(end, self.at + CROWD_S) if self.solo else end)
            for _ in range(SOLO_COUNT if self.solo else 0):
                self.draw_solo(end)
        return self.faults

    def draw_crowd(self, end):
        while self.at < end:
            fault = self.any_fault()
            under_way = [other for other in self.faults if other.ends() > self.at]
            if not chosen(fault.name(), self.classes):
                continue
            if len(under_way) < AT_ONCE_MAX and fault.target not in [f.target for f in under_way]:
                self.faults.append(fault)
                self.at += self.random.uniform(*GAP_S)
            else:
                self.at += 0.1

    def draw_solo(self, end):
        """One kind after the other, each as often as any."""
        if not self.deck:
            self.deck = self.random.sample(self.solo, len(self.solo))
        self.at = max([self.at, *(fault.ends() for fault in self.faults)])
        self.at += self.random.uniform(*PEACE_S)
        if self.at < end:
            kind, _, part = self.deck.pop().partition(" ")
            self.faults.append(self.process_fault(kind, part) if part else self.books_fault(kind))
            self.at = self.faults[-1].ends()

    # -------------------------------------------------------------------------------- one fault

    def any_fault(self):
        if self.hosts and self.random.random() < NETWORK_SHARE:
            return self.network_fault()
        if self.random.random() < BOOKS_SHARE:
            return self.books_fault(self.random.choice(list(BOOKS_KINDS)))
        return self.process_fault(self.one_of(PROCESS_KINDS), self.one_of(PARTS))

    def one_of(self, weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def one_process(self, part):
        return self.random.choice([name for name in self.processes if name.startswith(f"{part}-")])

    def process_fault(self, kind, part):
        return Fault(self.at, self.random.uniform(*PROCESS_S), kind, (self.one_process(part),))

    def network_fault(self):
        kind = self.one_of(NETWORK_KINDS)
        loss, delay, jitter = 1000, 0, 0
        if kind == "lossy":
            loss = self.random.randint(50, 300)
        elif kind == "slow":
            loss, delay, jitter = 0, self.random.randint(5, 80), self.random.randint(0, 40)
        pair = tuple(self.random.sample(self.hosts, 2))
        return Fault(self.at, self.random.uniform(*NETWORK_S), kind,
                     pair[:1] if kind == "alone" else pair, loss, delay, jitter)

    def books_fault(self, kind):
        target, number, lock = self.one_process("shard"), 0, ()
        if kind in ("clock-step", "clock-drift"):
            target = self.one_process(self.one_of(CLOCK_PARTS))
            number = self.random.choice(STEPS_S if kind == "clock-step" else DRIFTS_MS)
        elif kind == "clock-server":
            target, number = f"shard-{CLOCK_SERVER}", self.random.choice(SERVER_STEPS_S)
        elif kind == "readers":
            target, number = "readers", self.random.randint(*READERS)
        elif kind == "table-lock":
            lock = (self.random.choice(LOCKED), self.random.choice(LOCK_MODES))
        elif kind == "holds":
            number = self.random.randint(*HOLDS)
        elif kind == "foreign-row":
            shard = int(target.removeprefix("shard-"))
            number = self.random.choice([n for n in places.ACCOUNTS if places.home(n) == shard])
        return Fault(self.at, self.random.uniform(*BOOKS_KINDS[kind]), kind, (target,), number=number,
                     lock=lock)
