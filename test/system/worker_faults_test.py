"""Workers that are mute, slow, or cut off from one of two brokers: others do their work, what they
answer too late is nobody's, and nothing is applied twice."""
import contextlib
import itertools
import selectors
import socket
import subprocess
import threading
import time

import wire
from cluster import BIN, Payer, SystemTest, wait_for
from wire import pb

ACCOUNTS = range(1001, 1009)
LONER = "transactions-9"  # the worker whose ways to the brokers can be cut


class Path(threading.Thread):
    """A way from a worker to a broker: TCP passes through until it is cut, in one direction or both.
    The connections stay, and what was sent meanwhile arrives when the cut is healed, as after lost
    packets."""

    BYTES = 65536

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port  # of the broker
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.cuts = set()
        self.ways = {}  # socket: where it leads, and which way that is
        self.ending = threading.Event()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.start()

    def cut(self, *ways):
        with self.lock:
            self.cuts = set(ways)

    def heal(self):
        self.cut()

    def close(self):
        self.ending.set()
        self.join()
        for end in [*self.ways, self.listener]:
            end.close()
        self.selector.close()

    def accept(self):
        worker, _ = self.listener.accept()
        try:
            broker = socket.create_connection(("127.0.0.1", self.port), 5)
        except OSError:
            worker.close()
            return
        self.ways[worker] = (broker, "to broker")
        self.ways[broker] = (worker, "to worker")
        for end in worker, broker:
            self.selector.register(end, selectors.EVENT_READ)

    def end(self, one):
        for side in one, self.ways[one][0]:
            self.selector.unregister(side)
            del self.ways[side]
            side.close()

    def run(self):
        while not self.ending.is_set():
            for key, _ in self.selector.select(0.05):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.ways:  # not ended by the one before
                    self.forward(key.fileobj)

    def forward(self, one):
        other, way = self.ways[one]
        with self.lock:
            if way in self.cuts:  # left in the kernel's buffers, which the sender fills
                self.ending.wait(0.005)
                return
        try:
            data = one.recv(self.BYTES)
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.end(one)


class WorkerFaultTest(SystemTest):
    BROKERS = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts(ACCOUNTS)) == {"created"}

    def tearDown(self):
        self.cluster.up()

    def broker(self, number=1):
        """The status of one broker, and its pool of transactions."""
        with self.cluster.client(broker=number) as client:
            status = client.call("florin.broker").broker_status
        return status, next(pool for pool in status.pools if pool.service == "transactions")

    def workers(self, number):
        return {worker.instance for worker in self.broker(number)[1].workers}

    @contextlib.contextmanager
    def payers(self):
        """A client of each broker that pays without a pause; in the end each payment that was
        acknowledged is in the books, once, and nobody was surprised."""
        first_ids = itertools.count(time.time_ns(), 10**6)
        payers = [Payer(self.cluster, ACCOUNTS, next(first_ids), seed=number, broker=number)
                  for number in (1, 2)]
        with payers[0], payers[1]:
            yield payers
        for payer in payers:
            self.assertEqual(payer.surprises, [])
        self.cluster.audit([i for payer in payers for i in payer.acknowledged])

    def go_on(self, payers, count=30):
        for payer in payers:
            payer.wait_for_more(count, 60)

    @contextlib.contextmanager
    def loner(self, paths):
        """One more worker, which reaches the brokers only by paths."""
        config = (self.cluster.dir / "etc/transactions.zpl").read_text()
        for number, path in enumerate(paths, 1):
            config = config.replace(self.cluster.endpoint(workers=True, broker=number), path.endpoint)
        file = self.cluster.dir / "etc/loner.zpl"
        file.write_text(config)
        with (open(self.cluster.dir / "log" / f"{LONER}.log", "w", encoding="utf-8") as log,
              subprocess.Popen([BIN / "florin-transactions", "--config", file, "--instance", LONER],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process):
            try:
                for number in (1, 2):
                    wait_for("the worker at both brokers", lambda: LONER in self.workers(number))
                yield
            finally:
                process.terminate()

    def answered(self, number):
        """By the loner, through one broker; None while that broker does not know it."""
        return next((worker.answered for worker in self.broker(number)[1].workers
                     if worker.instance == LONER), None)

    def test_requests_of_a_mute_worker_are_done_by_another(self):
        """The worker is stopped with requests in its hands, and answers them when it goes on."""
        before = [self.broker(number) for number in (1, 2)]
        count = lambda field: sum(getattr(self.broker(n)[1], field) for n in (1, 2)) - sum(
            getattr(pool, field) for _, pool in before)
        dropped = lambda: sum(self.broker(n)[0].dropped_replies for n in (1, 2)) - sum(
            status.dropped_replies for status, _ in before)
        with self.payers() as payers:
            for name in itertools.islice(itertools.cycle(("transactions-1", "transactions-2")), 40):
                with self.paused(name):
                    wait_for("the worker to be taken for dead", lambda: all(
                        name not in self.workers(number) for number in (1, 2)))
                    self.go_on(payers, 10)
                wait_for("the worker to be back", lambda: all(
                    name in self.workers(number) for number in (1, 2)))
                if count("redispatched") and dropped():
                    break
        self.assertGreater(count("redispatched"), 0)
        self.assertGreater(dropped(), 0)
        self.assertEqual(count("expired"), 0, "another worker had them before their time was up")

    def test_a_slow_worker_holds_up_nobody_for_good(self):
        """It runs for a fifth of the time, in pieces too short to be taken for dead."""
        with self.payers() as payers:
            goal = [len(payer.acknowledged) + 60 for payer in payers]
            deadline = time.monotonic() + 60
            while any(len(p.acknowledged) < g for p, g in zip(payers, goal)):
                self.assertLess(time.monotonic(), deadline, "payments do not go on")
                with self.paused("transactions-1"):
                    time.sleep(0.2)
                time.sleep(0.05)
            self.go_on(payers)

    def test_a_worker_cut_off_from_one_broker_serves_the_other(self):
        paths = [Path(int(self.cluster.endpoint(workers=True, broker=number).rsplit(":", 1)[1]))
                 for number in (1, 2)]
        for path in paths:
            self.addCleanup(path.close)
        with self.loner(paths), self.payers() as payers:
            self.go_on(payers)
            for ways in ("to broker", "to worker"), ("to broker",), ("to worker",):
                with self.subTest(cut=ways):
                    paths[0].cut(*ways)
                    wait_for("the worker to be taken for dead", lambda: self.answered(1) is None)
                    before = self.answered(2)
                    self.assertIsNotNone(before, "the other broker has lost it, too")
                    self.go_on(payers)
                    wait_for("answers by the other broker", lambda: self.answered(2) > before)
                    paths[0].heal()
                    for number in (1, 2):
                        wait_for("answers by both brokers", lambda: self.answered(number))
            self.go_on(payers)
