"""What is broken, when, and for how long: a schedule that follows from its seed, and who carries it
out."""
import collections
import concurrent.futures
import dataclasses
import os
import random
import signal
import subprocess
import threading
import time

FIRST_S = 2  # the load is to run before anything happens
GAP_S = (0.3, 2.5)  # between the beginnings of two faults
PROCESS_S = (0.2, 4.0)  # how long a process is down, or mute
NETWORK_S = (0.3, 5.0)
AT_ONCE_MAX = 3
STEP_S = 60  # for one to begin or end; a database may have to replay its log
LAST_S = 1  # before the end, in which nothing new begins

POOLS = ("accounts", "transactions", "risk")
# Weights: a shard takes seconds to come back, and nothing crosses shards meanwhile.
PROCESS_KINDS = {"kill": 5, "stop": 5, "restart": 2}
NETWORK_KINDS = {"cut": 3, "one-way": 3, "alone": 2, "lossy": 2, "slow": 2}
PARTS = {"broker": 3, "accounts": 2, "transactions": 6, "risk": 2, "shard": 3}
NETWORK_SHARE = 0.4


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float  # seconds from the beginning
    seconds: float
    kind: str
    target: tuple  # a process, one host, or two
    loss: int = 0  # of 1000
    delay_ms: int = 0
    jitter_ms: int = 0

    def name(self):
        """As it is counted: `kill broker`, `cut`."""
        if self.kind not in PROCESS_KINDS:
            return self.kind
        return f"{self.kind} {self.target[0].rsplit('-', 1)[0]}"

    def ends(self):
        return self.at + self.seconds

    def links(self, hosts):
        """The directed pairs of hosts that it is on."""
        first = self.target[0]
        if self.kind == "alone":
            others = [host for host in hosts if host != first]
            return [(first, other) for other in others] + [(other, first) for other in others]
        pair = self.target
        return [pair] if self.kind == "one-way" else [pair, pair[::-1]]


def schedule(seed, seconds, processes, hosts, only=()):
    """Faults in the order in which they begin. `only`: kinds as Fault.name() has them, or their first
    word; none: all."""
    generator = random.Random(f"faults {seed}")
    faults, at = [], FIRST_S
    while at < seconds - LAST_S:
        fault = _fault(generator, at, processes, hosts)
        under_way = [other for other in faults if other.ends() > at]
        wanted = not only or fault.name() in only or fault.kind in only
        if wanted and len(under_way) < AT_ONCE_MAX and fault.target not in [f.target for f in under_way]:
            faults.append(fault)
            at += generator.uniform(*GAP_S)
        elif wanted:
            at += 0.1
    return faults


def _fault(generator, at, processes, hosts):
    if hosts and generator.random() < NETWORK_SHARE:
        kind = _one_of(generator, NETWORK_KINDS)
        loss, delay, jitter = 1000, 0, 0
        if kind == "lossy":
            loss = generator.randint(50, 300)
        elif kind == "slow":
            loss, delay, jitter = 0, generator.randint(5, 80), generator.randint(0, 40)
        pair = tuple(generator.sample(hosts, 2))
        return Fault(at, generator.uniform(*NETWORK_S), kind, pair[:1] if kind == "alone" else pair,
                     loss, delay, jitter)
    part = _one_of(generator, PARTS)
    name = generator.choice([name for name in processes if name.startswith(f"{part}-")])
    return Fault(at, generator.uniform(*PROCESS_S), _one_of(generator, PROCESS_KINDS), (name,))


def _one_of(generator, weights):
    return generator.choices(list(weights), list(weights.values()))[0]


# ------------------------------------------------------------------------------------- the network


class Network:
    """Hosts of their own, joined by test/chaos/wire.c. Whoever makes it moves to the host
    `clients`, with the threads and processes that it starts afterwards."""

    def __init__(self, program, hosts, seed):
        self.hosts = hosts
        self.faults = []
        self.applied = {}
        self.lock = threading.Lock()
        self.wire = subprocess.Popen([program, *hosts], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)
        self.places = {}
        for line in self.wire.stdout:
            if line == "ready\n":
                break
            name, address, namespace = line.split()
            self.places[name] = (address, namespace)
        else:
            self.close()
            raise OSError("hosts of their own take root, and /dev/net/tun")
        self._say(f"seed {seed}")

    def close(self):
        self.wire.stdin.close()
        self.wire.stdout.close()
        self.wire.wait(10)

    def begin(self, fault):
        with self.lock:
            self.faults.append(fault)
            self._apply()

    def end(self, fault):
        with self.lock:
            self.faults.remove(fault)
            self._apply()

    def _apply(self):
        """The worst of all faults that are on each link."""
        wanted = collections.defaultdict(lambda: (0, 0, 0))
        for fault in self.faults:
            for link in fault.links(self.hosts):
                worst = zip(wanted[link], (fault.loss, fault.delay_ms, fault.jitter_ms))
                wanted[link] = tuple(max(pair) for pair in worst)
        for link in wanted.keys() | self.applied.keys():
            if wanted[link] != self.applied.get(link, (0, 0, 0)):
                self._say("link {} {} {} {} {}".format(*link, *wanted[link]))
        self.applied = dict(wanted)

    def _say(self, line):
        self.wire.stdin.write(line + "\n")
        answer = self.wire.stdout.readline()
        assert answer == "ok\n", f"wire: {line}: {answer}"


# ---------------------------------------------------------------------------------- carrying it out


class Nemesis(threading.Thread):
    """Begins and ends the faults of a schedule. What went wrong with that is in `troubles`."""

    def __init__(self, cluster, network, faults):
        super().__init__(daemon=True)
        self.cluster, self.network = cluster, network
        self.counts = collections.Counter()
        self.troubles = []
        self.targets = collections.defaultdict(threading.Lock)  # held from a beginning to its end
        self.steps = sorted([(fault.at, 0, fault) for fault in faults] +
                            [(fault.ends(), 1, fault) for fault in faults],
                            key=lambda step: step[:2])

    def run(self):
        began = time.monotonic()
        # A step may take long; those of other targets do not wait for it.
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            beginnings = {}
            for at, ending, fault in self.steps:
                time.sleep(max(0, began + at - time.monotonic()))
                if ending:
                    pool.submit(self._guarded, fault, self._end, beginnings.pop(fault))
                else:
                    beginnings[fault] = pool.submit(self._guarded, fault, self._begin)
                    self.counts[fault.name()] += 1

    def _guarded(self, fault, step, *arguments):
        try:
            step(fault, *arguments)
        except Exception as error:  # whatever it is, the run must not pass as if nothing were
            self.troubles.append(f"{fault.name()} of {' '.join(fault.target)}: {error!r}")

    def _begin(self, fault):
        if not self.targets[fault.target].acquire(timeout=STEP_S):
            raise TimeoutError("the fault before it has not ended")
        self._break(fault)

    def _end(self, fault, beginning):
        concurrent.futures.wait([beginning], 2 * STEP_S)
        try:
            self._mend(fault)
        finally:
            self.targets[fault.target].release()

    def _break(self, fault):
        if fault.kind in NETWORK_KINDS:
            self.network.begin(fault)
            return
        name = fault.target[0]
        if not self.cluster.is_up(name):
            raise RuntimeError("it had ended by itself")
        if fault.kind == "stop":
            self._signal(name, signal.SIGSTOP)
        elif fault.kind == "kill":
            os.kill(self.cluster.pid(name), signal.SIGKILL)
        else:
            # PostgreSQL's fast shutdown is SIGINT; all others drain at SIGTERM.
            self.cluster.end(name, "INT" if name.startswith("shard") else "TERM")

    def _signal(self, name, number):
        if name.startswith("shard-"):
            self.cluster.signal_all(int(name.removeprefix("shard-")), number)
        else:
            os.kill(self.cluster.pid(name), number)

    def _mend(self, fault):
        if fault.kind in NETWORK_KINDS:
            self.network.end(fault)
        elif fault.kind == "stop":
            self._signal(fault.target[0], signal.SIGCONT)
        else:
            self.cluster.ops("start", fault.target[0], "--dir", self.cluster.dir)
