"""A minute of chaos, and tests of what breaks and of what judges it: each fault begins and ends;
hand-made histories, and programs with a bug that a chaos run has to find."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import wire
from cluster import BIN, uuid, wait_for

CHAOS = wire.REPO / "test/chaos"
sys.path.insert(0, str(CHAOS))
import books_faults
import bystanders
import checker
import clients
import clocks
import faults
import hosts
import places
import readers
import schedule

SEED = 1
# What one shard has and the other lacks, as the client, the sums and florin verify find it.
HALF = "is in the books", "debits are", "exit code 1"
WIRE = os.environ.get("FLORIN_WIRE", wire.REPO / "build/test/chaos/wire")
SOURCES = ("broker", "bench", "client", "ledger", "lib", "ops", "proto", "sql", "store", "workers")


def chaos(bin_folder, *options):
    """The run's exit code and what it printed."""
    done = subprocess.run([CHAOS / "run", "--bin", bin_folder, *map(str, options)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=170)
    return done.returncode, done.stdout


class ChaosTest(unittest.TestCase):
    def run_whole(self, seconds, classes):
        # How fast a busy machine is says nothing of the promises.
        code, output = chaos(BIN, "--seconds", seconds, "--seed", SEED, "--classes", classes, "--no-p99")
        print(output)
        self.assertEqual(code, 0)

    def test_a_minute(self):
        self.run_whole(60, "old")

    def test_bystanders(self):
        self.run_whole(30, "foreign-row,prepared-full,row")


class ScheduleTest(unittest.TestCase):
    OLD = {f"{kind} {part}" for kind in ("kill", "stop", "restart")
           for part in ("broker", "accounts", "transactions", "risk", "shard")} | {
               "cut", "one-way", "alone", "lossy", "slow"}
    NEW = {"clock-step", "clock-drift", "clock-server", "readers", "snapshot", "table-lock", "foreign-row",
           "prepared-full", "row-gone", "row-kept", "holds"}

    def schedule(self, seed, seconds, *classes):
        processes = ["broker-1", "accounts-1", "transactions-1", "risk-1", "shard-0"]
        return schedule.schedule(seed, seconds, processes, ["a", "b"], classes or ["all"])

    def kinds(self, seconds, *classes):
        return {fault.name() for fault in self.schedule(SEED, seconds, *classes)}

    def test_a_seed_gives_the_same_schedule(self):
        self.assertEqual(self.schedule(5, 60), self.schedule(5, 60))
        self.assertNotEqual(self.schedule(5, 60), self.schedule(6, 60))
        self.assertGreater(len(self.schedule(5, 60)), 12)

    def test_all_kinds_come_in_twenty_minutes(self):
        self.assertEqual(self.kinds(1200), self.OLD | self.NEW)

    def test_classes(self):
        self.assertEqual(self.kinds(1200, "old"), self.OLD)
        self.assertEqual(self.kinds(600, "new"), self.NEW | {"stop shard", "kill shard"})
        self.assertEqual(self.kinds(60, "row"), {"row-gone", "row-kept"})
        self.assertEqual(self.kinds(60, "stop transactions", "cut"), {"stop transactions", "cut"})
        with self.assertRaisesRegex(ValueError, "no fault is called rows"):
            self.schedule(SEED, 60, "rows")

    def test_solo_faults_have_peace_before_them(self):
        faults_alone = self.schedule(SEED, 600, "new")
        for before, after in zip(faults_alone, faults_alone[1:]):
            self.assertGreaterEqual(after.at - before.ends(), schedule.PEACE_S[0] - 0.001)


class BooksFaultsTest(unittest.TestCase):
    """What each of them does to a cluster, and that nothing of it is left."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = hosts.HostsCluster(BIN, None, "/", SEED)  # without a network
        cls.addClassCleanup(cls.cluster.destroy)
        cls.cluster.create()
        cls.cluster.holders = [cls.client(shard) for shard in range(places.SHARDS)]
        with cls.cluster.client() as client:
            clients.open_accounts(client)

    @classmethod
    def client(cls, number):
        history = clients.History(os.devnull)
        cls.addClassCleanup(history.close)
        return clients.Holder(number, SEED, cls.cluster.endpoints(), cls.cluster.keys(), history, None)

    @contextlib.contextmanager
    def under(self, kind, target="shard-1", **details):
        kinds = {**books_faults.KINDS, **readers.KINDS}
        with kinds[kind](self.cluster, schedule.Fault(0, 1, kind, (target,), **details)):
            yield

    def count(self, query, shard=1):
        return int(self.cluster.sql(shard, f"select count(*) from {query}")[0][0])

    def check(self, kind, query, on, off=0, **details):
        self.assertEqual(self.count(query), off)
        with self.under(kind, **details):
            self.assertEqual(self.count(query), on)
        self.assertEqual(self.count(query), off)

    def test_snapshot(self):
        self.check("snapshot", "pg_stat_activity where backend_xmin is not null"
                   " and state = 'idle in transaction'", 1)

    def test_table_lock(self):
        self.check("table-lock", "pg_locks where mode = 'AccessExclusiveLock' and granted and relation ="
                   " 'pending_transfers'::regclass", 1, lock=("pending_transfers", "ACCESS EXCLUSIVE"))
        self.assertEqual(self.count("pg_class where relname = 'chaos_index'"), 0)

    def test_foreign_row(self):
        self.check("foreign-row", "pg_prepared_xacts where gid like 'other-app%'", 1, number=1)

    def test_prepared_full(self):
        self.check("prepared-full", "pg_prepared_xacts where gid like 'other-app%'", 64)

    def test_row_gone(self):
        first, second = places.victims(1)
        self.client(10).hold(1, first, second, 1)
        row = f"select * from accounts where id = '{uuid(first)}'"
        with self.paused_workers():
            before = self.cluster.sql(1, row)
            self.check("row-gone", f"accounts where id = '{uuid(first)}'", 0, 1)
            self.assertEqual(self.cluster.sql(1, row), before)

    @contextlib.contextmanager
    def paused_workers(self):
        """They would release the hold."""
        with contextlib.ExitStack() as stack:
            for name in "transactions-1", "transactions-2":
                stack.enter_context(faults.stopped(self.cluster, name))
            yield

    def test_row_kept(self):
        update = f"update accounts set code = code where id = '{uuid(places.victims(1)[0])}' returning 1"
        self.assertEqual(self.cluster.sql(1, update), [["1"]])
        with self.under("row-kept"):
            self.assertEqual(self.cluster.sql(1, update), [])
        self.assertEqual(self.cluster.sql(1, update), [["1"]])

    def test_holds(self):
        held = f"pending_transfers where debit_account_id = '{uuid(places.holder(2))}' and status = 1"
        with self.under("holds", number=1500):
            self.assertEqual(self.count(held, 2), 1500)
            state = pathlib.Path(f"/proc/{self.cluster.pid('shard-1')}/stat").read_text()
            self.assertEqual(state.rsplit(")")[1].split()[0], "T")
        wait_for("the holds to be released", lambda: not self.count(held, 2))

    def test_readers(self):
        with self.under("readers", "readers", number=5):
            time.sleep(2)
        for what in "lists", "lists of nothing", "statements", "dry runs", "trial balances":
            self.assertGreater(self.cluster.tally[f"heavy {what}"], 0)


class ClocksTest(unittest.TestCase):
    """A program that writes down what its clock says."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.told = pathlib.Path(folder.name) / "told"
        program = pathlib.Path(folder.name) / "florin-risk"
        program.write_text(f"#!{sys.executable}\nimport select, time\nwhile True:\n"
                           "    select.select([], [], [], 0.1)\n"
                           f"    open('{self.told}', 'w').write(str(time.time()))")
        program.chmod(0o755)
        try:
            self.clocks = clocks.Clocks(["risk-1", "risk-2"], pathlib.Path(folder.name))
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(self.clocks.close)
        process = subprocess.Popen([self.clocks.bin / "florin-risk", "--instance", "risk-1", "--more", "x"])
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def off(self):
        with contextlib.suppress(OSError, ValueError):
            return float(self.told.read_text()) - time.time()

    def wait_until_off(self, least, most):
        wait_for(f"a clock that is {least} to {most} s off",
                 lambda: (off := self.off()) and least < off < most, 5)

    def under(self, kind, number):
        return clocks.KINDS[kind](self, schedule.Fault(0, 1, kind, ("risk-1",), number=number))

    def test_a_step(self):
        self.wait_until_off(-1, 0.5)
        with self.under("clock-step", -schedule.DAY_S):
            self.wait_until_off(-schedule.DAY_S - 1, 1 - schedule.DAY_S)
        self.wait_until_off(-1, 0.5)

    def test_a_drift(self):
        with self.under("clock-drift", 3000):
            self.wait_until_off(2, 5)
            self.wait_until_off(5, 12)
        self.wait_until_off(-1, 0.5)


class BystandersTest(unittest.TestCase):
    """One request in each 10 ms of ten seconds on each of two shards; the fault is on in the second five."""

    def setUp(self):
        self.records = [{"shard": shard, "due": ms * 10**6, "ended": (ms + 2) * 10**6, "op": "pay",
                         "answer": "created"}
                        for ms in range(0, 10000, 10) for shard in (0, 1)]

    def late(self, first_ms, last_ms, shard, ms=1000, answer="created"):
        for record in self.records:
            if first_ms * 10**6 <= record["due"] < last_ms * 10**6 and record["shard"] == shard:
                record.update(ended=record["due"] + ms * 10**6, answer=answer)

    def findings(self, kind, target, *more):
        spans = [(schedule.Fault(5, 5, kind, (target,)), 5 * 10**9, 10**10), *more]
        self.rows = bystanders.by_label(self.records, spans)
        return list(bystanders.judge(self.rows))

    def test_nothing_felt(self):
        self.assertEqual(self.findings("table-lock", "shard-1"), [])
        self.assertEqual({label: len(row) for label, row in self.rows.items()},
                         {"peace": 1000, "table-lock": 500, "table-lock, needed": 500})

    def test_a_refusal(self):
        self.late(7000, 7010, 0, 2, "unavailable")
        (finding,) = self.findings("table-lock", "shard-1")
        self.assertIn("table-lock: 1 of 500 refused: {'pay: unavailable': 1}", finding)

    def test_a_high_p99(self):
        self.late(7000, 7100, 0)
        (finding,) = self.findings("table-lock", "shard-1")
        self.assertIn("p99 is 1000.0 ms, in peace 2.0; at most 50.0", finding)

    def test_a_p99_of_a_busy_machine(self):
        self.late(0, 10000, 0, 40)
        self.late(7000, 7100, 0, 119)
        self.assertEqual(self.findings("table-lock", "shard-1"), [])

    def test_too_few_to_judge(self):
        del self.records[1200:]
        self.late(5000, 6000, 0)
        self.assertEqual(self.findings("table-lock", "shard-1"), [])

    def test_who_needs_it_may_be_refused_and_slow(self):
        self.late(5000, 9000, 1, 5000, "unavailable")
        self.assertEqual(self.findings("table-lock", "shard-1"), [])

    def test_who_needs_it_is_answered(self):
        self.late(6000, 6010, 1, 8000, "no answer")
        self.assertIn("table-lock, needed: 1 of 500", self.findings("table-lock", "shard-1")[0])

    def test_the_same_shard_does_not_need_the_row(self):
        self.late(7000, 7010, 1, 2, "unavailable")
        self.assertIn("row-gone, same shard: 1 of 500", self.findings("row-gone", "shard-1")[0])

    def test_a_refusal_in_peace(self):
        self.late(1000, 1010, 1, 2, "busy")
        self.assertIn("peace: 1 of 1000", self.findings("row-gone", "shard-1")[0])

    def test_anybodys_trouble_is_not_judged(self):
        self.late(7000, 8000, 0, 5000, "no answer")
        killed = (schedule.Fault(7, 1, "kill", ("broker-1",)), 7 * 10**9, 8 * 10**9)
        self.assertEqual(self.findings("table-lock", "shard-1", killed), [])
        self.assertEqual(len(self.rows["table-lock"]), 200)

    def test_what_a_fault_leaves_behind_is_its_own(self):
        self.late(1000, 1500, 0, 2, "unavailable")
        early = (schedule.Fault(0, 0.5, "readers", ("readers",)), 0, 5 * 10**8)
        self.assertIn("readers: 50 of", self.findings("table-lock", "shard-1", early)[0])


class NetworkTest(unittest.TestCase):
    """Datagrams between two hosts: what a fault does to each of the two ways, and that it ends."""

    COUNT = 200
    PORT = 7000

    def setUp(self):
        try:
            self.network = faults.Network(WIRE, ["a", "b"], SEED)
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(self.network.close)
        self.sockets = {host: self.socket_at(host) for host in ("a", "b")}
        self.assertEqual(self.arrived(), [self.COUNT, self.COUNT])  # and each knows the other's card

    def socket_at(self, host):
        """A thread alone moves there, and the socket that it makes stays there."""
        address, namespace = self.network.places[host]
        made = []

        def make():
            with open(namespace, encoding="ascii") as there:
                self.assertEqual(ctypes.CDLL(None).setns(there.fileno(), 0), 0)
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[0].bind((address, self.PORT))
            made[0].settimeout(0.3)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        self.addCleanup(made[0].close)
        return made[0]

    def way(self, sender, receiver):
        """How many of them arrive, and when the first of them does, in seconds."""
        count, began, first = 0, time.monotonic(), 0
        for _ in range(self.COUNT):
            self.sockets[sender].sendto(b"x", (self.network.places[receiver][0], self.PORT))
        with contextlib.suppress(TimeoutError):
            while count < self.COUNT and self.sockets[receiver].recv(16):
                first = first or time.monotonic() - began
                count += 1
        return count, first

    def arrived(self):
        return [self.way("a", "b")[0], self.way("b", "a")[0]]

    def under(self, kind, target=("a", "b"), **effects):
        with self.network.broken(None, schedule.Fault(0, 1, kind, target, **effects)):
            arrived = self.arrived()
            slowness = self.way("a", "b")[1]
        self.assertEqual(self.arrived(), [self.COUNT, self.COUNT])
        return arrived, slowness

    def test_cut(self):
        self.assertEqual(self.under("cut", loss=1000)[0], [0, 0])

    def test_one_way(self):
        self.assertEqual(self.under("one-way", loss=1000)[0], [0, self.COUNT])

    def test_alone(self):
        self.assertEqual(self.under("alone", ("b",), loss=1000)[0], [0, 0])

    def test_lossy(self):
        for count in self.under("lossy", loss=300)[0]:
            self.assertTrue(0.5 * self.COUNT < count < 0.9 * self.COUNT, count)

    def test_slow(self):
        arrived, slowness = self.under("slow", delay_ms=80, jitter_ms=40)
        self.assertEqual(arrived, [self.COUNT, self.COUNT])
        self.assertGreater(slowness, 0.079)


class BugsTest(unittest.TestCase):
    """Programs that break a promise. Each bug is a patch that has to fit the sources."""

    def build(self, bug):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="florin-bug-"))
        self.addCleanup(shutil.rmtree, folder)
        build = BIN.parent
        for name in SOURCES:
            shutil.copytree(wire.REPO / name, folder / name)
        shutil.copy2(wire.REPO / "Makefile", folder)
        for name in ("obj", "proto"):  # only what the patch touches is compiled
            shutil.copytree(build / name, folder / "build" / name)
        subprocess.run(["git", "apply", CHAOS / f"bugs/{bug}.patch"], cwd=folder, check=True, timeout=30,
                       env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)})
        variant = ["VARIANT=asan"] if build.name == "asan" else []
        subprocess.run(["make", "-s", "BUILD=build", "DEPS=", *variant, "all"], cwd=folder, check=True,
                       timeout=150, stdout=subprocess.DEVNULL)
        return folder

    def assert_found(self, bug, only, *findings):
        """By what it breaks, and not by a run that failed."""
        folder = self.build(bug)
        code, output = chaos(folder / "build/bin", "--seconds", 15, "--seed", SEED, "--classes", only,
                             "--dir", folder / "chaos")
        print(output)
        self.assertEqual(code, 1, "the bug was not found")
        broken = [line for line in output.splitlines() if line.startswith("BROKEN")]
        self.assertTrue([line for line in broken if any(finding in line for finding in findings)],
                        f"none of {findings}")

    def test_no_decision_row(self):
        self.assert_found("no-decision", "kill transactions", *HALF)

    def test_a_reply_ahead_of_the_commit(self):
        self.assert_found("reply-before-commit", "kill transactions", "lost", "not_found")

    def test_no_fence(self):
        self.assert_found("no-fence", "stop transactions", *HALF)

    def test_a_request_sent_again_is_applied_again(self):
        self.assert_found("applied-again", "kill transactions", "missing or there twice", "exit code 1")


class CheckerTest(unittest.TestCase):
    """Accounts 1 and 2; transfers of 10 from 1 to 2, one after the other."""

    def setUp(self):
        self.books = checker.Books()
        self.history = []

    def book(self, number, amount=10, before=0, debit=1, credit=2):
        """A row with the balances after it, `before` being what had moved before."""
        after = [0, before + amount, 0, 0, 0, 0, 0, before + amount]
        self.books.add_row([uuid(number), uuid(debit), uuid(credit), amount, 0, "", number,
                            *map(str, after)])
        self.books.accounts = {debit: (0, before + amount, 0, 0), credit: (0, 0, 0, before + amount)}

    def told(self, number, began, ended, verdict="applied", amount=10):
        self.history.append({"op": "pay", "began": began, "ended": ended, "units": [
            {"transfers": [[number, 1, 2, amount, 0, 0, 0]], "verdict": verdict}]})

    def held(self, number, timeout, at, released):
        """A hold on its own, and its release."""
        self.told(number, at, at)
        self.history[-1]["units"][0]["transfers"] = [[number, 1, 2, 10, 2, 0, timeout]]
        sides = (10, 0, 0, 0), (0, 0, 10, 0)
        for kind, flags, time_ns, balances in ("", 2, at, sides), ("expiry", 0, released, ((0,) * 4,) * 2):
            self.books.add_row([uuid(number), uuid(1), uuid(2), 10, flags, kind, time_ns,
                                *(str(value) for side in balances for value in side)])
        self.books.accounts = {1: (0,) * 4, 2: (0,) * 4}

    def of_the_time(self, *seconds):
        self.history += [{"op": "time", "unix_ns": second * 10**9} for second in seconds]

    def saw(self, moved, began, ended):
        self.history.append({"op": "read", "began": began, "ended": ended,
                             "balances": [[1, [0, moved, 0, 0]]]})

    def two_transfers(self):
        self.book(101)
        self.book(102, before=10)
        self.told(101, 10, 20)
        self.told(102, 30, 40)

    def assert_findings(self, *words):
        self.books.sort()
        findings = checker.check(self.history, self.books)
        self.assertEqual(len(findings), len(words), findings)
        for finding, word in zip(findings, words):
            self.assertIn(word, finding)

    def test_whole_books(self):
        self.two_transfers()
        self.saw(0, 0, 5)
        self.saw(0, 5, 15)
        self.saw(10, 15, 35)
        self.saw(20, 35, 36)
        self.saw(20, 50, 60)
        self.assert_findings()

    def test_a_hold_that_ends(self):
        self.held(101, 3, 10 * 10**9, 13 * 10**9)
        self.of_the_time(9, 20)
        self.assert_findings()

    def test_a_hold_that_ends_early(self):
        self.held(101, 3, 10 * 10**9, 12 * 10**9)
        self.assert_findings(*["released 1.0 s early"] * 2)

    def test_a_hold_that_has_no_end(self):
        self.held(101, 0, 10 * 10**9, 12 * 10**9)
        self.assert_findings(*["early"] * 2)

    def test_a_row_of_the_future(self):
        self.held(101, 8, 10 * 10**9, 18 * 10**9)
        self.of_the_time(9, 12)
        self.assert_findings(*["1 of 2 rows are not of the time of the run; 65 is +6.0 s"] * 2)

    def test_a_row_of_the_past(self):
        self.held(101, 8, 10 * 10**9, 18 * 10**9)
        self.of_the_time(16, 18)
        self.assert_findings(*["1 of 2 rows"] * 2)

    def test_an_acknowledged_transfer_that_is_not_there(self):
        self.two_transfers()
        self.told(103, 50, 60)
        self.assert_findings("lost")

    def test_a_refused_transfer_that_is_there(self):
        self.book(101)
        self.told(101, 10, 20, verdict="given up")
        self.assert_findings("was given up")

    def test_a_transfer_that_nobody_sent(self):
        self.book(101)
        self.assert_findings("nobody sent it")

    def test_a_transfer_with_another_amount(self):
        self.book(101)
        self.told(101, 10, 20, amount=11)
        self.assert_findings("was sent as")

    def test_a_transfer_applied_twice(self):
        self.book(101)
        self.book(102, before=20)
        self.told(101, 10, 20)
        self.told(102, 30, 40)
        self.assert_findings("account 1: after 66 its balances are", "account 2: after 66 its balances are")

    def test_a_balance_that_is_not_that_of_the_last_row(self):
        self.two_transfers()
        self.books.accounts[1] = (0, 21, 0, 0)
        self.assert_findings("its last row says", "debits are 21")

    def test_half_a_transfer(self):
        self.two_transfers()
        self.books.entries[2].pop()
        self.books.accounts[2] = (0, 0, 0, 10)
        self.assert_findings("debits are 20, credits 10")

    def test_half_a_chain(self):
        self.book(101)
        self.told(101, 10, 20)
        self.history[0]["units"][0]["transfers"].append([102, 1, 2, 10, 0, 0, 0])
        self.assert_findings("lost", "part of a chain")

    def test_a_stale_read(self):
        self.two_transfers()
        self.saw(10, 41, 50)
        self.assert_findings("is after [1] of its writes; it may be after 2 to 2")

    def test_a_read_of_what_was_not_begun(self):
        self.two_transfers()
        self.saw(20, 21, 29)
        self.assert_findings("it may be after 1 to 1")

    def test_a_read_of_what_never_was(self):
        self.two_transfers()
        self.saw(15, 0, 60)
        self.assert_findings("is after no of its writes")

    def test_reads_that_go_back(self):
        self.two_transfers()
        self.saw(20, 31, 32)
        self.saw(10, 33, 34)
        self.assert_findings("it may be after 2 to 2")

    def test_an_answered_write_that_is_overtaken(self):
        self.book(101)
        self.book(102, before=10)
        self.told(101, 30, 40)
        self.told(102, 10, 20)
        self.assert_findings("account 1: 65 is ahead", "account 2: 65 is ahead")
