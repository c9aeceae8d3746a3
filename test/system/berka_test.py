"""The books of a real bank, through the whole road, against the bank's own balances."""
import collections
import os
import pathlib
import sys
import tempfile
import unittest

import wire
from cluster import SystemTest
from wire import pb

sys.path.insert(0, str(wire.REPO / "test/berka"))
import convert  # noqa: E402

FOLDER = pathlib.Path(os.environ.get("FLORIN_BERKA", wire.REPO / "../shared/data/berka")).resolve()
# The most, in haléře, that the balances of one day miss each other by where the bank rounded
# interest. More than that is a transaction that is missing.
ROUNDING_MAX = 30


@unittest.skipUnless((FOLDER / "trans.asc").exists(),
                     f"the bank's books are not in {FOLDER} (FLORIN_BERKA names them)")
class BerkaTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.transactions = convert.convert(FOLDER, folder)
        cls.customers = convert.customers(cls.transactions)
        cls.accounts_csv, cls.transfers_csv = folder / "accounts.csv", folder / "transfers.csv"

    def bring_in(self):
        """Imports both files; the two summaries."""
        return [self.cluster.florin_json(*command, seconds=150)[-1]
                for command in (["account", "import", self.accounts_csv],
                                ["import", self.transfers_csv])]

    def day_ends(self, account):
        """The account's balance in our books after each day's last transaction."""
        reply = self.client.call("accounts", statement=pb.StatementRequest(
            account_id=wire.id_bytes(account), limit=8190))
        self.assertEqual(reply.status, pb.STATUS_OK)
        self.assertEqual(reply.statement.next_cursor, 0)
        return {self.dates[wire.id_number(entry.transfer.id)]:
                entry.credits_posted - entry.debits_posted for entry in reply.statement.entries}

    def compare(self, account, days):
        """Fails where our books are not the bank's. Returns by how much they differ in the end for
        the bank's rounding, whether the file cuts off the last day, and how many days it were."""
        ours = self.day_ends(account)
        self.assertEqual(list(ours), sorted(days))
        balance = allowed = deviation = 0
        for date in sorted(days):
            balance, gap = convert.day_end(balance, days[date])
            if gap > ROUNDING_MAX:
                self.assertEqual(date, self.last_date, f"account {account} lacks a transaction")
                return deviation, True, len(days) - 1
            allowed += gap
            deviation = ours[date] - balance
            self.assertLessEqual(abs(deviation), allowed, f"account {account} on {date}")
        return deviation, False, len(days)

    def check_against_the_bank(self):
        self.dates = {row.id: row.date for row in self.transactions}
        self.last_date = max(self.dates.values())
        by_account = convert.days_of(self.transactions)
        compared = [self.compare(account, by_account[account]) for account in self.customers]
        exact = sum(deviation == 0 for deviation, _, _ in compared)
        largest = max(abs(deviation) for deviation, _, _ in compared)
        print(f"\n    {len(self.transactions)} transactions, {len(compared)} customers'"
              f" accounts, {sum(days for _, _, days in compared)} balances at a day's end compared:"
              f"\n    {exact} accounts end as in the bank's books to the haléř, the others within"
              f" its rounding (at most {largest / 100:.2f} CZK);"
              f"\n    for {sum(cut for _, cut, _ in compared)} of them the end is the day before"
              f" the file's last, of which it lacks a transaction")

    def check_sums(self):
        """Each account's final balance is the sum of its rows."""
        sums = collections.Counter()
        for row in self.transactions:
            sums[row.account] += row.signed
        balances = {}
        for i in range(0, len(self.customers), 500):
            balances |= self.client.balances(*self.customers[i:i + 500])
        self.assertEqual(balances, {account: sums[account] for account in self.customers})

    def test_a_banks_books_come_out_as_the_bank_has_them(self):
        accounts, transfers = self.bring_in()
        self.assertEqual(int(transfers["created"]), len(self.transactions))
        self.assertGreater(int(accounts["created"]), len(self.customers))
        self.check_sums()
        self.check_against_the_bank()
        before = self.cluster.florin("trial-balance").stdout

        again_accounts, again = self.bring_in()
        self.assertEqual((int(again["created"]), int(again["existed"])),
                         (0, len(self.transactions)))
        self.assertEqual((int(again_accounts["created"]), int(again_accounts["existed"])),
                         (0, int(accounts["created"])))
        self.assertEqual(self.cluster.florin("trial-balance").stdout, before)
        self.check_sums()
        self.cluster.audit([row.id for row in self.transactions])
