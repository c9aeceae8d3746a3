"""What becomes of payments while a shard's PostgreSQL is away, hangs, has no room, or loses its
connections: those that don't touch the shard go on; the others are answered in time, and asked
again afterwards they have happened once."""
import contextlib
import itertools
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

import proxy
import wire
from cluster import Payer, SystemTest, alive, wait_for
from wire import pb

MIB = 1024 * 1024


class ShardFaults(SystemTest):
    LOCAL = range(1002, 1010, 2), range(1003, 1011, 2)  # on shard 0, on shard 1
    # Others: what is prepared when its home goes keeps its accounts until the home is back.
    ACROSS = range(1102, 1110, 2), range(1103, 1111, 2)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts(itertools.chain(*cls.LOCAL, *cls.ACROSS))) == {"created"}
        cls.cluster.set_store(connect_timeout_ms=500, statement_timeout_ms=1500)

    def setUp(self):
        super().setUp()
        self.first_id = time.time_ns() // 2 * 2
        self.workers = self.worker_pids()

    def worker_pids(self):
        return {name: self.cluster.pid(name) for name in self.cluster.names()
                if not name.startswith("shard-")}

    def payer(self, accounts, first, seed):
        """Each second id: all of them are on one shard."""
        return Payer(self.cluster, accounts, self.first_id + first, seed=seed, step=2)

    def crossing(self, number, count=1):
        """Transfers between the two shards, both ways."""
        first = self.first_id + 10**6 + 100 * number
        return [wire.transfer(first + i, self.ACROSS[i % 2][i // 2 % 4],
                              self.ACROSS[1 - i % 2][i // 2 % 4], 1) for i in range(count)]

    def ask(self, transfers):
        return self.client.call("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=transfers))

    def settle(self, transfers):
        """Asks until the outcome is known, which is that they have happened."""
        def settled():
            reply = self.ask(transfers)
            self.assertIn(reply.status, (pb.STATUS_OK, *wire.AGAIN), reply)
            return reply.status == pb.STATUS_OK and {
                wire.result_name(o.result) for o in reply.create_transfers.results}
        self.assertLessEqual(wait_for("the outcome", settled, 30), {"created", "exists"})
        return [wire.id_number(t.id) for t in transfers]

    def is_unavailable(self, number):
        reply = self.ask(self.crossing(number))
        self.assertIn(reply.status, (pb.STATUS_OK, *wire.AGAIN), reply)
        return reply.status == pb.STATUS_UNAVAILABLE and reply.message

    @contextlib.contextmanager
    def outlived(self, shard):
        """Payments on the other shard go on during what happens here, and afterwards all do. What
        touches the shard is answered."""
        local = self.payer(self.LOCAL[1 - shard], 1 - shard, 1)
        across = self.payer(itertools.chain(*self.ACROSS), shard, 2)
        with local, across:
            yield local
            across.wait_for_more(50, 60)
            local.wait_for_more(50)
        self.assertEqual(local.surprises + across.surprises, [])
        self.assertEqual(self.worker_pids(), self.workers)
        self.cluster.audit(local.acknowledged + across.acknowledged)

    def away(self, local, asked):
        """While a shard is: several times, each of which is answered."""
        for number in range(asked):
            wait_for("an answer that it is away", lambda: self.is_unavailable(number), 30)
            local.wait_for_more(50)


class ShardFaultTest(ShardFaults):
    def restarted(self, shard):
        with self.outlived(shard) as local:
            self.cluster.end(f"shard-{shard}", "INT")
            self.away(local, 3)
            self.cluster.ops("up", "--postgres-only", "--dir", self.cluster.dir)
        self.settle(self.crossing(0))

    def killed(self, shard):
        with self.outlived(shard) as local:
            self.cluster.signal_all(shard, signal.SIGKILL)
            self.away(local, 3)
            self.cluster.ops("up", "--postgres-only", "--dir", self.cluster.dir)
        self.settle(self.crossing(0))

    def hung(self, shard):
        with self.outlived(shard) as local:
            self.cluster.signal_all(shard, signal.SIGSTOP)
            try:
                self.away(local, 5)
            finally:
                self.cluster.signal_all(shard, signal.SIGCONT)
        self.settle(self.crossing(0))

    def test_a_shard_restarts(self):
        self.restarted(1)

    def test_the_home_shard_restarts(self):
        self.restarted(0)

    def test_a_shard_is_killed(self):
        self.killed(1)

    def test_the_home_shard_is_killed(self):
        self.killed(0)

    def test_a_shard_hangs(self):
        self.hung(1)

    def test_the_home_shard_hangs(self):
        self.hung(0)


class FullDiskTest(ShardFaults):
    """Shard 1 lives in a small file system of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = (cls.cluster.dir / "pg").resolve() / "shard-1"
        cls.move_to_small_disk()

    @classmethod
    def move_to_small_disk(cls):
        cls.cluster.end("shard-1", "INT")
        small = cls.data.with_name("small")
        owner = cls.data.stat()
        small.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size=200m,mode=0700,uid={owner.st_uid},"
             f"gid={owner.st_gid}", "florin-test", small], capture_output=True, text=True, timeout=30)
        if mounted.returncode:
            raise unittest.SkipTest(f"no file system can be mounted here: {mounted.stderr.strip()}")
        cls.addClassCleanup(subprocess.run, ["umount", "--lazy", small], check=True, timeout=30)
        cls.addClassCleanup(cls.cluster.end_if_alive, "shard-1", "INT")
        subprocess.run(["cp", "-a", f"{cls.data}/.", small], check=True, timeout=60)
        shutil.rmtree(cls.data)
        cls.data.symlink_to(small)
        cls.cluster.ops("up", "--postgres-only", "--dir", cls.cluster.dir)

    def fill(self):
        """Takes all the room there is."""
        filler = self.data / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (MIB, 4096):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        self.addCleanup(filler.unlink, missing_ok=True)
        return filler

    def test_there_is_no_room_for_rows(self):
        with self.outlived(1) as local:
            filler = self.fill()
            self.away(local, 3)
            filler.unlink()
            # When it was the log that had no room first.
            self.cluster.ops("up", "--postgres-only", "--dir", self.cluster.dir)
        self.assertIn("SQLSTATE 53100", "".join(
            self.cluster.log(name) for name in ("transactions-1", "transactions-2")))
        self.settle(self.crossing(0))

    def test_there_is_no_room_for_the_log(self):
        """PostgreSQL ends, and can't start again by itself before there is room."""
        pid = self.cluster.pid("shard-1")
        with self.outlived(1) as local:
            filler = self.fill()
            wait_for("PostgreSQL to end", lambda: not self.write_log() and not alive(pid), 60)
            self.away(local, 2)
            filler.unlink()
            self.cluster.ops("up", "--postgres-only", "--dir", self.cluster.dir)
        self.settle(self.crossing(0))

    def write_log(self):
        """A file of it, or more; false when that can't be."""
        return subprocess.run(
            ["psql", "-XqAt", self.cluster.conninfo(1) + " user=postgres", "-c",
             "select pg_logical_emit_message(false, 'filler', repeat('x', 20000000))"],
            capture_output=True, text=True, timeout=60).returncode == 0


class CutTest(ShardFaults):
    """Connections are cut at each step of a batch across both shards."""

    POOLS = {"transactions": 1}
    # The rounds of a batch's dialogue with its home, and with the other shard.
    ROUNDS = {0: ("lock", "write", "decide"), 1: ("lock", "prepare", "commit_prepared")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxies = [proxy.Proxy(cls.cluster.dir / f"proxy-{shard}", cls.cluster.conninfo(shard))
                       for shard in range(cls.SHARDS)]
        for shard, each in enumerate(cls.proxies):
            cls.addClassCleanup(each.close)
            cls.cluster.set_shard(shard, each.conninfo)
        cls.cluster.restart_workers()

    def cut(self, shard, number, when):
        with self.cluster.client() as client:
            client.pay(self.first_id, *self.LOCAL[0][:2], 1)  # all sessions are open
            client.pay(self.first_id + 1, *self.LOCAL[1][:2], 1)
        self.proxies[shard].cut(number, when)
        acknowledged = self.settle(self.crossing(0, 8))
        self.assertEqual(self.proxies[shard].cuts, 1)
        self.assertEqual(self.worker_pids(), self.workers)
        self.cluster.audit(acknowledged)


def _add_cuts():
    def test(*cut):
        return lambda self: self.cut(*cut)
    for shard, rounds in CutTest.ROUNDS.items():
        for number, name in enumerate(rounds, 1):
            for when in (proxy.BEFORE, proxy.HALF, proxy.AFTER):
                setattr(CutTest, f"test_shard_{shard}_is_cut_{when}_{name}",
                        test(shard, number, when))


_add_cuts()
