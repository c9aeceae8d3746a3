"""A minute of chaos, and tests of what judges it: hand-made histories, and programs with a bug that
a chaos run has to find."""
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
from cluster import BIN, uuid

CHAOS = wire.REPO / "test/chaos"
sys.path.insert(0, str(CHAOS))
import checker
import faults

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
    def test_a_minute(self):
        code, output = chaos(BIN, "--seconds", 60, "--seed", SEED)
        print(output)
        self.assertEqual(code, 0)


class ScheduleTest(unittest.TestCase):
    def schedule(self, seed, seconds):
        processes = ["broker-1", "accounts-1", "transactions-1", "risk-1", "shard-0"]
        return faults.schedule(seed, seconds, processes, ["a", "b"])

    def test_a_seed_gives_the_same_schedule(self):
        self.assertEqual(self.schedule(5, 60), self.schedule(5, 60))
        self.assertNotEqual(self.schedule(5, 60), self.schedule(6, 60))
        self.assertGreater(len(self.schedule(5, 60)), 20)

    def test_all_kinds_come_in_ten_minutes(self):
        kinds = {f"{kind} {part}" for kind in ("kill", "stop", "restart")
                 for part in ("broker", "accounts", "transactions", "risk", "shard")}
        self.assertEqual({fault.name() for fault in self.schedule(SEED, 600)},
                         kinds | {"cut", "one-way", "alone", "lossy", "slow"})


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
        fault = faults.Fault(0, 1, kind, target, **effects)
        self.network.begin(fault)
        arrived = self.arrived()
        slowness = self.way("a", "b")[1]
        self.network.end(fault)
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
        code, output = chaos(folder / "build/bin", "--seconds", 15, "--seed", SEED, "--only", only, "--dir",
                             folder / "chaos")
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
