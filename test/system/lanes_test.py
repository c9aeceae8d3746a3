"""Whoever does not need what is wrong goes on as in peace: payments beside readers that ask for much,
beside a shard whose tables are locked, and where nothing can be prepared any more."""
import collections
import contextlib
import itertools
import subprocess
import threading
import time

import wire
from cluster import SystemTest, wait_for
from wire import pb

ANSWER_S = 15  # a definite answer comes by then, whatever is wrong
BYSTANDERS = 4
FULL = 8190  # transfers of a request


class Caller(threading.Thread):
    """Asks one thing after the other, and keeps what each was answered and how long that took."""

    def __init__(self, cluster, service, make):
        super().__init__(daemon=True)
        self.cluster, self.service, self.make = cluster, service, make
        self.answers = []  # status and seconds
        self.ending = threading.Event()
        self.fault = None

    def run(self):
        try:
            with self.cluster.client() as client:
                while not self.ending.is_set():
                    began = time.monotonic()
                    reply = client.call(self.service, ANSWER_S, **self.make())
                    self.answers.append((self.status(reply), time.monotonic() - began))
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault  # told by `of`

    @staticmethod
    def status(reply):
        if reply.status != pb.STATUS_OK:
            return wire.status_name(reply.status)
        results = {wire.result_name(o.result) for o in reply.create_transfers.results}
        return "ok" if results <= {"created"} else str(results)


class Group:
    """Some callers at once."""

    def __init__(self, cluster, count, service, make):
        self.callers = [Caller(cluster, service, make) for _ in range(count)]

    def __enter__(self):
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_):
        for caller in self.callers:
            caller.ending.set()
        for caller in self.callers:
            caller.join(ANSWER_S + 5)
            assert not caller.is_alive(), "a caller waits on"
            if caller.fault:
                raise caller.fault

    def answers(self):
        return [answer for caller in self.callers for answer in list(caller.answers)]

    def statuses(self):
        return collections.Counter(status for status, _ in self.answers())

    def wait_for_more(self, count, seconds=30):
        goal = len(self.answers()) + count
        wait_for("answers", lambda: len(self.answers()) >= goal or
                 any(caller.fault for caller in self.callers), seconds)

    def median_s(self):
        seconds = sorted(seconds for _, seconds in self.answers())
        return seconds[len(seconds) // 2]


class LanesTest(SystemTest):
    HERE, THERE = range(1002, 1042, 2), range(1003, 1043, 2)  # on shard 0, on shard 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            assert set(client.open_accounts(itertools.chain(cls.HERE, cls.THERE))) == {"created"}

    def setUp(self):
        super().setUp()
        first = time.time_ns() // 2 * 2
        self.ids = [itertools.count(first, 2), itertools.count(first + 1, 2)]  # by shard
        self.lock = threading.Lock()

    def make(self, debits, credits, shard, count=1, **fields):
        """Transfers between these accounts, whose ids lie on the shard."""
        with self.lock:
            numbers = list(itertools.islice(self.ids[shard], count))
        return {"create_transfers": pb.CreateTransfersRequest(transfers=[
            wire.transfer(number, debits[number // 2 % 20], credits[(number // 2 + 7) % 20], 1)
            for number in numbers], **fields)}

    def payers(self, count=BYSTANDERS, shard=0):
        accounts = (self.HERE, self.THERE)[shard]
        return Group(self.cluster, count, "transactions", lambda: self.make(accounts, accounts, shard))

    def crossing(self, count=BYSTANDERS):
        return Group(self.cluster, count, "transactions",
                     lambda: self.make(self.HERE, self.THERE, 0))

    @contextlib.contextmanager
    def psql(self, shard, *commands):
        """A session that has done these, until the end of the block."""
        with subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1",
                               self.cluster.conninfo(shard)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:
            for command in (*commands, "select 'done'"):
                process.stdin.write(command + ";\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), "done\n")
            try:
                yield
            finally:
                process.stdin.close()
                process.wait(20)

    def locked(self, shard, table):
        return self.psql(shard, "begin", f"lock table {table} in access exclusive mode")

    def goes_on(self, bystanders, count=200):
        """They are answered, and nobody is refused."""
        bystanders.wait_for_more(count, 60)
        self.assertEqual(set(bystanders.statuses()), {"ok"}, bystanders.statuses())

    def is_answered(self, group, count):
        """Each gets an answer in time, and none that says what is not so."""
        group.wait_for_more(count, 60)
        self.assertLessEqual(set(group.statuses()), {"ok", "unavailable", "busy", "expired"})

    def test_a_table_lock_on_one_shard(self):
        with self.payers() as here, self.payers(shard=1) as there, self.crossing() as across:
            self.goes_on(here)
            with self.locked(1, "accounts"):
                self.goes_on(here, 400)
                self.is_answered(there, 8)
                self.is_answered(across, 8)
                self.goes_on(here)
            there.wait_for_more(100)
            across.wait_for_more(100)
        self.assertIn("unavailable", there.statuses())
        self.cluster.audit()

    def test_holds_expire_beside_a_locked_shard(self):
        """What lies on one shard is released there, while batches across both wait for the other."""
        ada, bob = 5002, 5004
        self.assertEqual(set(self.client.open_accounts([ada, bob])), {"created"})
        with self.crossing() as across, self.locked(1, "accounts"):
            self.is_answered(across, 4)
            self.assertEqual(self.client.pay(next(self.ids[0]), ada, bob, 7,
                                             flags=pb.TRANSFER_FLAG_PENDING, timeout=1), "created")
            self.assertEqual(self.held(ada), 7)
            wait_for("the hold to be released", lambda: self.held(ada) == 0)
            self.is_answered(across, 4)
        self.cluster.audit()

    def held(self, account):
        reply = self.client.call("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(account)]))
        return reply.lookup_accounts.accounts[0].debits_pending

    def lookups(self, accounts, count=BYSTANDERS):
        return Group(self.cluster, count, "accounts", lambda: {
            "lookup_accounts": pb.LookupAccountsRequest(ids=[wire.id_bytes(accounts[0])])})

    def test_reads_of_a_shard_beside_a_lock_on_another(self):
        statements = Group(self.cluster, 2, "accounts", lambda: {
            "statement": pb.StatementRequest(account_id=wire.id_bytes(self.HERE[0]), limit=10)})
        both = self.lookups([self.HERE[0]]), self.lookups([self.THERE[0]])
        with both[0], both[1], statements:
            self.goes_on(both[0])
            with self.locked(1, "accounts"):
                self.goes_on(both[0], 400)
                self.goes_on(statements, 100)
                self.is_answered(both[1], 8)
                self.goes_on(both[0], 400)
        self.assertIn("unavailable", both[1].statuses())

    def test_lists_that_wait_for_one_shard(self):
        lists = Group(self.cluster, 16, "transactions", lambda: {
            "list_transfers": pb.ListTransfersRequest(filter=pb.Filter(code=1))})
        with self.payers() as here, lists, self.locked(1, "transfers"):
            self.goes_on(here, 400)
            self.is_answered(lists, 16)
            wait_for("the first list to be given up", lambda: "unavailable" in lists.statuses())
            self.goes_on(here)

    def test_readers_that_ask_for_much(self):
        """Dry runs, pages and statements of the largest size: payments and lookups are beside them."""
        with self.cluster.client() as client:
            for _ in range(2):
                request = self.make(self.HERE, self.HERE, 0, FULL)["create_transfers"]
                client.transfer(*request.transfers, seconds=60)
        tries = Group(self.cluster, 8, "transactions",
                      lambda: self.make(self.HERE, self.THERE, 0, FULL, dry_run=True))
        lists = Group(self.cluster, 8, "transactions", lambda: {
            "list_transfers": pb.ListTransfersRequest(filter=pb.Filter(code=1, limit=FULL))})
        statements = Group(self.cluster, 16, "accounts", lambda: {
            "statement": pb.StatementRequest(account_id=wire.id_bytes(self.HERE[0]), limit=FULL)})
        lookups = self.lookups(self.HERE, 1)
        with self.payers() as here, tries, lists, statements, lookups:
            for _ in range(3):
                self.goes_on(here)
                self.goes_on(lookups, 20)
            for readers in tries, lists, statements:
                readers.wait_for_more(8, 60)
                self.assertLessEqual(set(readers.statuses()), {"ok", "busy"})
        self.assertLess(here.median_s(), tries.median_s())
        self.assertLess(lookups.median_s(), statements.median_s())

    def test_nothing_can_be_prepared(self):
        """Somebody else's prepared transactions have taken all places on both servers."""
        names = [(shard, f"not ours {number}") for shard in range(2)
                 for number in range(int(self.cluster.sql(shard, "show max_prepared_transactions")[0][0]))]
        try:
            for shard in range(2):
                for_shard = [name for where, name in names if where == shard]
                with self.psql(shard, *(f"begin; prepare transaction '{name}'" for name in for_shard)):
                    pass
            with self.payers() as here, self.payers(shard=1) as there, self.crossing() as across:
                self.goes_on(here)
                self.goes_on(there)
                self.is_answered(across, 20)
                self.goes_on(here)
                self.goes_on(there)
        finally:
            for shard, name in names:
                self.cluster.sql(shard, f"rollback prepared '{name}'")
        self.assertEqual(set(across.statuses()), {"unavailable"})
        self.cluster.audit()
