"""Each shard is a primary with a synchronous standby. The primary dies or freezes with payments under
way and transactions prepared: the standby is promoted, and nothing is lost or doubled.

Needs the programs of a build with failpoints (make failpoints)."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import wire
from crash_test import BIN, DONE
from cluster import Cluster, Payer, alive, uuid, wait_for
from wire import pb

PG_BIN = pathlib.Path(os.environ.get("FLORIN_PG_BIN") or max(
    pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default="/usr/bin"))
AS_OWNER = () if os.geteuid() else ("setpriv", "--reuid=postgres", "--regid=postgres",
                                    "--init-groups", "--")
PORTS_APART = 100


class Standby:
    """Follows a shard's primary, from which it is made; every commit there waits for it."""

    def __init__(self, cluster, shard):
        self.cluster, self.shard = cluster, shard
        home = (cluster.dir / "pg").resolve()
        self.data = home / f"standby-{shard}"
        self.sockets, port = re.match(r"host=(\S+) port=(\d+)", cluster.conninfo(shard)).groups()
        self.primary_port, self.port = int(port), int(port) + PORTS_APART
        self.log = (cluster.dir / "log" / f"standby-{shard}.log").open("ab")
        self.process = None
        with (home / f"shard-{shard}" / "pg_hba.conf").open("a") as rules:
            rules.write("local replication all trust\n")
        self.ask("select pg_reload_conf()")
        subprocess.run([*AS_OWNER, PG_BIN / "pg_basebackup", "-D", self.data, "-h", self.sockets,
                        "-p", port, "-U", "postgres", "--checkpoint=fast", "--write-recovery-conf"],
                       check=True, timeout=60, cwd="/")
        self.start()
        self.ask("alter system set synchronous_standby_names = '*'")
        self.ask("select pg_reload_conf()")
        wait_for("the standby to be synchronous", lambda: self.ask(
            "select sync_state from pg_stat_replication") == "sync", 60)

    def start(self):
        self.process = subprocess.Popen(
            [*AS_OWNER, PG_BIN / "postgres", "-D", self.data, "-k", self.sockets,
             "-p", str(self.port)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            cwd="/", start_new_session=True)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.log.close()

    def ask(self, query, port=None):
        return subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.sockets, "-U", "postgres",
             "-p", str(port or self.primary_port), "-d", "postgres", "-c", query],
            check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def promote(self):
        assert self.ask("select pg_promote()", self.port) == "t"

    def conninfo(self, where):
        """Both hosts, for workers."""
        return self.cluster.conninfo(where).replace(
            f"host={self.sockets}", f"host={self.sockets},{self.sockets}").replace(
            f"port={self.primary_port}", f"port={self.primary_port},{self.port}")

    def conninfo_promoted(self, where):
        return self.cluster.conninfo(where).replace(f"port={self.primary_port}",
                                                    f"port={self.port}")


@unittest.skipUnless((BIN / "florin-transactions").exists(),
                     f"no build with failpoints in {BIN} (make failpoints)")
class StandbyTest(unittest.TestCase):
    """A cluster for each test: its primaries do not come back."""

    ACCOUNTS = range(1002, 1010)
    HELD = range(1102, 1110)  # of the batch whose worker dies: it keeps them until it is ended

    def setUp(self):
        self.cluster = Cluster(BIN, 2, {"transactions": 1}, 1)
        self.standbys = []
        self.addCleanup(self.stop_standbys)
        self.addCleanup(self.cluster.destroy)  # goes first: it leans on them as it goes down
        self.cluster.create()
        self.follow()
        self.client = self.enterContext(self.cluster.client())
        self.assertEqual(set(self.client.open_accounts([*self.ACCOUNTS, *self.HELD])), {"created"})

    def held(self):
        """Transfers across both shards, both ways."""
        return [wire.transfer(self.first_id + 10**6 + i, self.HELD[i], self.HELD[(i + 1) % 8], 1)
                for i in range(8)]

    def there(self, transfers):
        """How many of them the books hold."""
        ids = ", ".join(f"'{uuid(wire.id_number(t.id))}'" for t in transfers)
        return len({row[0] for shard in range(self.cluster.shards) for row in self.cluster.sql(
            shard, f"select id from transfers where result = 0 and id in ({ids})")})

    def follow(self):
        self.standbys += [Standby(self.cluster, shard) for shard in range(self.cluster.shards)]
        for shard, standby in enumerate(self.standbys):
            self.cluster.set_shard(shard, standby.conninfo(shard))
        self.cluster.set_store(control=self.standbys[0].conninfo("control"), connect_timeout_ms=500,
                               statement_timeout_ms=1500, in_doubt_after_ms=8000)

    def stop_standbys(self):
        for standby in self.standbys:
            standby.stop()

    def thaw(self, shard):
        """So that a primary that a failed test leaves frozen can be ended."""
        if alive(self.cluster.pid(f"shard-{shard}")):
            self.cluster.signal_all(shard, signal.SIGCONT)

    def leave_prepared(self, point):
        """A worker dies in a batch across both shards; others take its place. Returns the names of
        what it has left on shard 1."""
        self.cluster.scale("transactions", 0)
        self.cluster.scale("transactions", 1, env={"FLORIN_FAILPOINT": point})
        pid = self.cluster.pid("transactions-1")
        self.client.submit("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=self.held()))
        wait_for(f"the worker to die at {point}", lambda: not alive(pid))
        left = {name for name, in self.cluster.in_doubt()}
        self.assertTrue(left)
        return left

    @contextlib.contextmanager
    def kept(self, names):
        """Keeps resolvers from ending them: the home's lock and decision are taken, as by a coordinator
        that lives. It ends with the home's server at the latest."""
        _, home, batch, _ = next(iter(names)).split(":")
        key = int(batch.replace("-", ""), 16) % 2**64
        session = subprocess.Popen(["psql", "-XqAt", self.cluster.conninfo(int(home))], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        session.stdin.write(f"begin; select pg_advisory_xact_lock({key - 2**64 * (key >= 2**63)});"
                            f" select from decisions where batch = '{batch}' for update;"
                            " select 'kept';\n")
        session.stdin.flush()
        while session.stdout.readline() != "kept\n":
            self.assertIsNone(session.poll())
        try:
            yield
        finally:
            session.kill()
            session.communicate()

    def assert_prepared(self, names):
        on_shard_1 = self.cluster.sql(1, "select gid from pg_prepared_xacts")
        self.assertLessEqual(names, {name for name, in on_shard_1})

    def settle(self, transfers):
        """Asks until the outcome is known, which is that they have happened."""
        def settled():
            reply = self.client.call("transactions", create_transfers=pb.CreateTransfersRequest(
                transfers=transfers))
            self.assertIn(reply.status, (pb.STATUS_OK, *wire.AGAIN), reply)
            return reply.status == pb.STATUS_OK and {
                wire.result_name(o.result) for o in reply.create_transfers.results}
        self.assertLessEqual(wait_for("the outcome", settled, 30), {"created", "exists"})
        return [wire.id_number(t.id) for t in transfers]

    def fails_over(self, shard, point, sig):
        standby = self.standbys[shard]
        self.first_id = time.time_ns()
        left = self.leave_prepared(point)
        keeping = self.enterContext(contextlib.ExitStack())
        keeping.enter_context(self.kept(left))
        self.cluster.scale("transactions", 2)
        workers = {name: self.cluster.pid(name) for name in self.cluster.names()
                   if not name.startswith("shard-")}
        with Payer(self.cluster, self.ACCOUNTS, self.first_id, seed=shard) as payer:
            payer.wait_for_more(50)
            began, paid = time.monotonic(), len(payer.acknowledged)
            self.addCleanup(self.thaw, shard)
            self.cluster.signal_all(shard, sig)
            if shard == 0:  # with a new home, they are ended at once
                self.assert_prepared(left)
            standby.promote()
            promoted = time.monotonic() - began
            for where in (shard, *["control"] * (shard == 0)):
                self.cluster.conninfos[where] = standby.conninfo_promoted(where)
            if shard == 1:
                self.assert_prepared(left)
            keeping.close()
            payer.wait_for_more(50, 60)
            print(f"shard-{shard}, {sig.name}: promoted after {promoted:.1f} s, 50 payments after "
                  f"{time.monotonic() - began:.1f} s; {paid} had been acknowledged")
            if sig == signal.SIGSTOP:  # what an operator sees to before it can go on
                self.cluster.signal_all(shard, signal.SIGQUIT)
                self.cluster.signal_all(shard, signal.SIGCONT)
                wait_for("the old primary to end",
                         lambda: not alive(self.cluster.pid(f"shard-{shard}")))
                payer.wait_for_more(50, 60)
        wait_for("prepared transactions to end", lambda: not self.cluster.in_doubt(), 60)
        held = self.held()
        self.assertEqual(self.there(held), len(held) if point in DONE else 0)
        self.assertEqual(payer.surprises, [])
        self.cluster.audit(payer.acknowledged + self.settle(held))
        self.assertEqual({name: self.cluster.pid(name) for name in workers}, workers)

    def test_primaries_are_killed(self):
        self.fails_over(1, "store_prepared", signal.SIGKILL)
        self.fails_over(0, "store_decided", signal.SIGKILL)

    def test_primaries_freeze(self):
        self.fails_over(1, "store_decided", signal.SIGSTOP)
        self.fails_over(0, "store_prepared", signal.SIGSTOP)
