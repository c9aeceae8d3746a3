"""Who carries a schedule out: begins each fault, and undoes it at its end."""
import collections
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import threading
import time

from schedule import NETWORK_KINDS, PROCESS_KINDS

STEP_S = 60  # for one to begin or end; a database may have to replay its log


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

    @contextlib.contextmanager
    def broken(self, _cluster, fault):
        with self.lock:
            self.faults.append(fault)
            self._apply()
        yield
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


# ------------------------------------------------------------------------------------ the processes


@contextlib.contextmanager
def process_broken(cluster, fault):
    name = fault.target[0]
    if not cluster.is_up(name):
        raise RuntimeError("it had ended by itself")
    if fault.kind == "stop":
        with stopped(cluster, name):
            yield
        return
    if fault.kind == "kill":
        os.kill(cluster.pid(name), signal.SIGKILL)
    else:
        # PostgreSQL's fast shutdown is SIGINT; all others drain at SIGTERM.
        cluster.end(name, "INT" if name.startswith("shard") else "TERM")
    yield
    cluster.ops("start", name, "--dir", cluster.dir)


@contextlib.contextmanager
def stopped(cluster, name):
    """It holds what it has, and says nothing."""
    _signal(cluster, name, signal.SIGSTOP)
    yield
    _signal(cluster, name, signal.SIGCONT)


def _signal(cluster, name, number):
    if name.startswith("shard-"):
        cluster.signal_all(int(name.removeprefix("shard-")), number)
    else:
        os.kill(cluster.pid(name), number)


# ---------------------------------------------------------------------------------- carrying it out


class Nemesis(threading.Thread):
    """Begins and ends the faults of a schedule. `kinds` has for each kind the context manager that
    is the fault. What went wrong with that is in `troubles`; when each fault was on, in `spans`."""

    def __init__(self, cluster, kinds, faults):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.kinds = {**dict.fromkeys(PROCESS_KINDS, process_broken), **kinds}
        if cluster.network:
            self.kinds.update(dict.fromkeys(NETWORK_KINDS, cluster.network.broken))
        self.counts = collections.Counter()
        self.troubles = []
        self.spans = []  # (fault, from, to); monotonic ns
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
            return step(fault, *arguments)
        except Exception as error:  # whatever it is, the run must not pass as if nothing were
            self.troubles.append(f"{fault.name()} of {' '.join(fault.target)}: {error!r}")

    def _begin(self, fault):
        """What ends it, and when it began."""
        if not self.targets[fault.target].acquire(timeout=STEP_S):
            raise TimeoutError("the fault before it has not ended")
        began = time.monotonic_ns()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.kinds[fault.kind](self.cluster, fault))
            return stack.pop_all(), began

    def _end(self, fault, beginning):
        try:
            if begun := beginning.result(2 * STEP_S):
                stack, began = begun
                stack.close()
                self.spans.append((fault, began, time.monotonic_ns()))
        finally:
            self.targets[fault.target].release()
