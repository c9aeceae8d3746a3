"""One moment on all shards: sums are right at every moment, and nobody waits for whoever takes them."""
import os
import subprocess
import threading
import time

from cluster import Payer, SystemTest
from wire import AGAIN, id_bytes, pb

SECONDS = 5
BANK, ACCOUNTS = 99, range(1, 9)
MONEY = 1000
SLOW_S = 1.0  # longer than this nobody waits for an answer, on a busy machine


class MomentTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.cluster.client() as client:
            client.open_accounts([*ACCOUNTS, BANK])
            for account in ACCOUNTS:
                client.pay(1000 + account, BANK, account, MONEY)

    def read(self, ending, sums):
        """Looks up all accounts in one request, again and again; a machine that stands still may
        keep a batch half done for longer than a lookup waits."""
        lookup = pb.LookupAccountsRequest(ids=[id_bytes(account) for account in ACCOUNTS])
        with self.cluster.client() as client:
            while not ending.is_set():
                reply = client.call("accounts", lookup_accounts=lookup)
                if reply.status not in AGAIN:
                    sums.append(sum(account.credits_posted - account.debits_posted
                                    for account in reply.lookup_accounts.accounts))

    def test_a_lookup_adds_up(self):
        ending, sums = threading.Event(), []
        readers = [threading.Thread(target=self.read, args=(ending, sums)) for _ in range(2)]
        payers = [Payer(self.cluster, ACCOUNTS, 10**6 * n, batch=1, seed=n) for n in (1, 2, 3)]
        for thread in readers + payers:
            thread.start()
        time.sleep(SECONDS)
        ending.set()
        for payer in payers:
            payer.ending.set()
        for thread in readers + payers:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        for payer in payers:
            self.assertEqual(payer.surprises, [])
            self.assertGreater(len(payer.acknowledged), 20)
        self.assertGreater(len(sums), 100)
        self.assertEqual(set(sums), {len(ACCOUNTS) * MONEY})
        self.cluster.audit()

    def test_pairs_beyond_a_page(self):
        """More of them in one currency than a page has rows."""
        for first in range(1, 5001, 1000):
            reply = self.client.call("accounts", open_accounts=pb.OpenAccountsRequest(accounts=[
                pb.Account(id=id_bytes(10**6 + code), ledger=203, code=code)
                for code in range(first, first + 1000)]))
            self.assertEqual(reply.status, pb.STATUS_OK)
        self.client.pay(6000, 10**6 + 1, 10**6 + 5000, 77, ledger=203)
        whole = self.client.call("accounts", trial_balance=pb.TrialBalanceRequest())
        self.assertEqual(whole.status, pb.STATUS_TOO_LARGE)
        self.assertIn("limit", whole.message)
        *rows, verdict = self.cluster.florin_json("trial-balance")
        self.assertEqual([row["code"] for row in rows if row["ledger"] == 203],
                         list(range(1, 5001)))
        self.assertEqual(verdict, {"balanced": True})
        told = self.cluster.florin("trial-balance").stdout
        self.assertIn("CZK: debits and credits are equal", told)
        self.assertIn("EUR: debits and credits are equal", told)
        for fields, message in (({"limit": 4097}, "limit: 4097"), ({"cursor": b"short"}, "cursor: 5")):
            reply = self.client.call("accounts", trial_balance=pb.TrialBalanceRequest(**fields))
            self.assertIn(message, reply.message)

    def vacuum(self):
        """A slow one."""
        return subprocess.Popen(
            ["psql", "-Xqc", "vacuum accounts", self.cluster.conninfo(0)],
            env={**os.environ, "PGOPTIONS": "-c vacuum_cost_delay=100 -c vacuum_cost_limit=1"})

    def test_nobody_waits_for_a_trial_balance(self):
        """Nor does it wait for anybody: not for a VACUUM, nor for somebody's prepared transaction
        that keeps such a lock, and one from that moment on open."""
        self.cluster.sql(1, "begin; lock accounts in share update exclusive mode;"
                            " select pg_current_xact_id(); prepare transaction 'foreign'")
        try:
            with Payer(self.cluster, ACCOUNTS, 10**7, batch=1) as payer:
                vacuum = self.vacuum()
                for _ in range(SECONDS * 2):
                    began = time.monotonic()
                    self.assertTrue(self.cluster.trial_balance_is_zero())
                    self.assertLess(time.monotonic() - began, SLOW_S)
                    began = time.monotonic()
                    payer.wait_for_more(1)
                    self.assertLess(time.monotonic() - began, SLOW_S)
                    time.sleep(0.4)
                self.assertEqual(vacuum.wait(60), 0)
            self.assertEqual(payer.surprises, [])
        finally:
            self.cluster.sql(1, "rollback prepared 'foreign'")
