"""A private cluster for a test class, what a test does to it, and the auditor of its books."""
import atexit
import collections
import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import wire

BIN = pathlib.Path(os.environ.get("FLORIN_BIN", wire.REPO / "build/bin")).resolve()
SCRIPT = wire.REPO / "ops/cluster"
SLOTS = 1024


def wait_for(what, condition, seconds=20):
    """Polls until the condition holds and returns what it gave; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Cluster:
    def __init__(self, bin_folder, shards, pools, brokers):
        self.bin = bin_folder
        self.shards = shards
        self.pools = pools
        self.brokers = brokers
        self.conninfos = {}  # of the databases, as far as they were asked for
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="florin-test-"))
        atexit.register(self.destroy)  # also when the tests are broken off

    def ops(self, *arguments, env=None, seconds=120):
        done = subprocess.run([SCRIPT, *map(str, arguments)], env={**os.environ, **(env or {})},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds)
        if done.returncode:
            raise AssertionError(f"ops/cluster {arguments[0]} failed: {done.stderr or done.stdout}")
        return done.stdout

    def create(self, *options):
        self.ops("up", "--dir", self.dir, "--bin", self.bin, "--shards", self.shards,
                 "--brokers", self.brokers, *(f"--pool={pool}={count}" for pool, count in self.pools.items()), *options)

    def up(self, *options, env=None):
        """Starts what has ended, and returns when all of it serves."""
        self.ops("up", "--dir", self.dir, *options, env=env)

    def destroy(self):
        """Leaves no process, and no file either unless FLORIN_KEEP is set: then the logs can be
        read. Fails if a process said that it had broken a rule."""
        atexit.unregister(self.destroy)
        self.ops("down", "--dir", self.dir)
        broken = [f"{path.name}: {line}" for path in (self.dir / "log").glob("*.log")
                  for line in path.read_text(errors="replace").splitlines()
                  if re.search("Sanitizer|runtime error:|Assertion .* failed", line)]
        if os.environ.get("FLORIN_KEEP"):
            print(f"kept {self.dir}")
        else:
            self.ops("down", "--delete", "--dir", self.dir)
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not broken, "\n".join(broken[:20])

    def kill(self, name, sig="TERM"):
        self.ops("kill", name, sig, "--dir", self.dir)

    def end(self, name, sig="TERM"):
        """Sends a signal that ends the process, and waits until it has."""
        pid = self.pid(name)
        self.kill(name, sig)
        wait_for(f"{name} to end", lambda: not alive(pid))

    def end_if_alive(self, name, sig="TERM"):
        if alive(self.pid(name)):
            self.end(name, sig)

    def scale(self, pool, count, env=None):
        self.ops("scale", pool, count, "--dir", self.dir, env=env)

    def set_store(self, **settings):
        """Settings of the workers' section `store`. They start again, and read them until the next
        ops("up") writes the files anew; what runs by then keeps them."""
        for pool in self.pool_sizes():
            path = self.dir / "etc" / f"{pool}.zpl"
            head, tail = path.read_text().split("store\n", 1)
            kept = [line for line in tail.splitlines()
                    if line.split("=")[0].strip() not in settings]
            path.write_text("\n".join([head + "store", *(f'    {name} = "{value}"' for name, value
                                                         in settings.items()), *kept, ""]))
        self.restart_workers()

    def restart_workers(self):
        for pool, count in self.pool_sizes().items():
            self.scale(pool, 0)
            self.scale(pool, count)

    def pool_sizes(self):
        return dict(collections.Counter(
            name.rsplit("-", 1)[0] for name in self.names()
            if not name.startswith(("shard-", "broker-"))))

    def signal_all(self, shard, sig):
        """To every process of a shard's server; first to the one that starts others."""
        pid = self.pid(f"shard-{shard}")
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sig)

    def pid(self, name):
        return int((self.dir / "pid" / name).read_text().split()[0])

    def names(self):
        return sorted(path.name for path in (self.dir / "pid").iterdir())

    def rss_kib(self, name):
        status = pathlib.Path(f"/proc/{self.pid(name)}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def log(self, name):
        return (self.dir / "log" / f"{name}.log").read_text()

    def endpoint(self, workers=False, broker=1):
        settings = dict(line.split("=", 1)
                        for line in (self.dir / "cluster").read_text().splitlines())
        return f"tcp://127.0.0.1:{int(settings['port_base']) + 2 * (broker - 1) + int(workers)}"

    def keys(self, name="operator"):
        return wire.Keys(self.dir / "keys" / f"{name}.key", self.dir / "keys" / "broker.pub")

    def client(self, broker=1, **options):
        return wire.Client(self.endpoint(broker=broker), self.keys(), **options)

    def worker(self, service):
        """A plain worker of the RFC, for any service."""
        return wire.Worker(self.endpoint(workers=True), self.keys("risk"), service)

    def florin(self, *arguments, exit_code=0, seconds=60):
        """The florin command's output; fails when it ends with another code."""
        return self._run("florin", ["--config", self.dir / "client.zpl", *arguments], exit_code,
                         seconds)

    def florin_json(self, *arguments, **options):
        return [json.loads(line)
                for line in self.florin(*arguments, "--json", **options).stdout.splitlines()]

    def admin(self, *arguments, exit_code=0):
        return self._run("florin-admin", [*arguments, "--control", self.conninfo("control")],
                         exit_code, 30)

    def verify(self, *arguments, exit_code=0):
        """What florin verify says; fails when it ends with another code."""
        key = self.dir / "keys/seals.key"
        seals = ["--seal-key", key] if key.exists() else []
        return self._run("florin", ["verify", *arguments, *seals,
                                    "--control", self.conninfo("control")], exit_code, 120)

    def _run(self, program, arguments, exit_code, seconds):
        done = subprocess.run([self.bin / program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=seconds)
        if done.returncode != exit_code:
            raise AssertionError(f"{program} {' '.join(map(str, arguments))}: exit code "
                                 f"{done.returncode}, not {exit_code}\n{done.stdout}{done.stderr}")
        return done

    def conninfo(self, where):
        if where not in self.conninfos:
            self.conninfos[where] = self.ops("conninfo", where, "--dir", self.dir).strip()
        return self.conninfos[where]

    def set_shard(self, shard, conninfo):
        """The same database at another address, such as a proxy's. Workers that start from now on go there."""
        self.sql("control", f"set florin.admin = 'on'; update shards set conninfo = '{conninfo}' where shard = {shard}")

    def sql(self, where, query):
        """Rows of text."""
        out = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.conninfo(where),
                              "-c", query], check=True, capture_output=True, text=True, timeout=60)
        return [line.split("|") for line in out.stdout.splitlines()]

    def metrics_targets(self):
        """Where each process serves its metrics, as `up --metrics` tells Prometheus; by their labels."""
        groups = json.loads((self.dir / "prometheus-targets.json").read_text())
        return [(group["labels"], group["targets"][0]) for group in groups]

    def metrics_address(self, name):
        (address,) = [target for labels, target in self.metrics_targets() if labels["instance"] == name]
        return address

    def metrics(self, name, path="/metrics", **options):
        request = urllib.request.Request(f"http://{self.metrics_address(name)}{path}", **options)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def scrape(self, name):
        """The value of each of its series."""
        return {series: float(value) for series, _, value in
                (line.rpartition(" ") for line in self.metrics(name).splitlines()
                 if not line.startswith("#"))}

    def in_doubt(self):
        return [row for shard in range(self.shards)
                for row in self.sql(shard, "select gid from pg_prepared_xacts")]

    def trial_balance_is_zero(self):
        with self.client() as client:
            reply = client.call("accounts", trial_balance=wire.pb.TrialBalanceRequest())
        assert reply.status == wire.pb.STATUS_OK, reply
        sums = collections.Counter()
        for row in reply.trial_balance.rows:
            sums[row.ledger] += int(row.debits_posted) - int(row.credits_posted)
        return not any(sums.values())

    def audit(self, acknowledged=()):
        """Fails unless the books on all shards are whole, and hold what was acknowledged once."""
        wait_for("prepared transactions to end", lambda: not self.in_doubt(), 30)
        rows, accounts = collections.defaultdict(dict), {}
        for shard in range(self.shards):
            # What reserves (2) or releases (8) moves nothing.
            for line in self.sql(shard, """select id, debit_account_id, credit_account_id,
                    case when flags & 10 = 0 then amount else 0 end,
                    debit_debits_posted is not null, credit_debits_posted is not null
                    from transfers where result = 0"""):
                rows[line[0]][shard] = line[1:]
            for account, debits, credits in self.sql(
                    shard, "select id, debits_posted, credits_posted from accounts"):
                assert account not in accounts, f"account {account} is on two shards"
                accounts[account] = [shard, int(debits), int(credits)]
        for transfer, copies in rows.items():
            self._audit_transfer(transfer, copies, accounts)
        wrong = [account for account, (_, debits, credits) in accounts.items() if debits or credits]
        assert not wrong, f"balances are not the sums of the transfers: {wrong[:5]}"
        missing = [i for i in acknowledged if uuid(i) not in rows]
        assert not missing, f"acknowledged but not there: {missing[:5]} of {len(missing)}"
        assert self.trial_balance_is_zero()
        self.verify()

    def _audit_transfer(self, transfer, copies, accounts):
        """Takes the transfer's amount from its accounts, which must come out at zero in the end."""
        debit, credit, amount = next(iter(copies.values()))[:3]
        homes = {int(transfer.replace("-", ""), 16) % SLOTS % self.shards, accounts[debit][0],
                 accounts[credit][0]}
        assert homes == set(copies), f"{transfer} is on shards {set(copies)}, not {homes}"
        for shard, copy in copies.items():
            assert copy[:3] == [debit, credit, amount], f"{transfer} differs between shards"
            assert (copy[3] == "t") == (accounts[debit][0] == shard), f"{transfer}: debit side"
            assert (copy[4] == "t") == (accounts[credit][0] == shard), f"{transfer}: credit side"
        accounts[debit][1] -= int(amount)
        accounts[credit][2] -= int(amount)


def uuid(number):
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def alive(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] not in "ZX"


class Payer(threading.Thread):
    """Pays between some accounts without a pause, and asks again with the same ids after whatever
    leaves the outcome open. What was acknowledged is in `acknowledged`; what should not have come
    is in `surprises`."""

    def __init__(self, cluster, accounts, first_id, batch=5, seed=1, broker=1, step=1):
        super().__init__(daemon=True)
        self.cluster, self.accounts, self.batch = cluster, list(accounts), batch
        self.broker = broker
        self.random = random.Random(seed)
        self.ids = itertools.count(first_id, step)
        self.acknowledged, self.surprises = [], []
        self.ending = threading.Event()

    def __enter__(self):
        self.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(60)
        assert not self.is_alive(), "the payer still waits for an answer"

    def wait_for_more(self, count=20, seconds=30):
        """Until so many more were acknowledged."""
        goal = len(self.acknowledged) + count
        wait_for("payments to go on", lambda: len(self.acknowledged) >= goal or self.surprises,
                 seconds)

    def run(self):
        with self.cluster.client(broker=self.broker) as client:
            while not self.ending.is_set():
                transfers = [wire.transfer(next(self.ids), *self.random.sample(self.accounts, 2),
                                           self.random.randint(1, 10**6))
                             for _ in range(self.batch)]
                while transfers:
                    transfers = self.settle(client, transfers)

    def settle(self, client, transfers):
        """Sends them once; returns those to ask again about."""
        try:
            reply = client.call("transactions", 3, create_transfers=wire.pb.CreateTransfersRequest(
                transfers=transfers))
        except wire.NoAnswer:
            return transfers
        if reply.status != wire.pb.STATUS_OK:
            if reply.status not in wire.AGAIN:
                self.surprises.append(str(reply))
            return transfers if reply.status in wire.AGAIN else []
        again = []
        for transfer, outcome in zip(transfers, reply.create_transfers.results):
            name = wire.result_name(outcome.result)
            if name in ("created", "exists"):
                self.acknowledged.append(wire.id_number(transfer.id))
            elif name == "risk_unavailable":
                again.append(transfer)
            else:
                self.surprises.append(name)
        return again


class SystemTest(unittest.TestCase):
    """One cluster for the tests of a class. A test may break it, and mends it with cluster.up()."""

    BIN = BIN
    SHARDS = 2
    POOLS = {}
    BROKERS = 1
    UP = ()  # more options of the first `up`
    cluster: Cluster

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls.BIN, cls.SHARDS, cls.POOLS, cls.BROKERS)
        cls.addClassCleanup(cls.cluster.destroy)
        cls.cluster.create(*cls.UP)

    def setUp(self):
        self.client = self.enterContext(self.cluster.client())

    @contextlib.contextmanager
    def paused(self, name):
        """The process is stopped as a debugger would stop it, and goes on in the end."""
        pid = self.cluster.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
