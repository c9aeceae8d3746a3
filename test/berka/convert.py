#!/usr/bin/python3
"""Turns the books of a Czech bank (the Berka data of PKDD'99) into what `florin import` reads.

usage: test/berka/convert.py BERKA_FOLDER OUTPUT_FOLDER

Writes accounts.csv and transfers.csv. A customer's account and a transaction keep the numbers that
the bank gave them. The other side of a transaction is an account of the bank's own: one for each
operation, symbol and counterparty bank.
"""
import collections
import csv
import dataclasses
import decimal
import pathlib
import sys

CURRENCY = "CZK"
CUSTOMER_CODE = 1
# In the order of their codes, from 10 on: what the other side is, by operation.
OPERATIONS = {"": "interest", "VKLAD": "cash in", "VYBER": "cash out", "VYBER KARTOU": "card",
              "PREVOD Z UCTU": "from another bank", "PREVOD NA UCET": "to another bank"}
OWN_FIRST_ID = 1_000_000  # above every customer's


@dataclasses.dataclass(frozen=True)
class Transaction:
    id: int
    account: int
    date: str       # YYMMDD
    credit: bool    # to the customer
    amount: int     # haléře
    balance: int    # haléře, after it, by the bank's own reckoning
    operation: str
    symbol: str
    bank: str
    counterparty: str

    @property
    def signed(self):
        return self.amount if self.credit else -self.amount

    @property
    def other_side(self):
        return self.operation, self.symbol, self.bank

    @property
    def reference(self):
        """For people: the date, what it was, and whose account it came from or went to."""
        words = [f"19{self.date[:2]}-{self.date[2:4]}-{self.date[4:]}",
                 self.operation or "interest", self.symbol,
                 f"{self.bank}/{self.counterparty}" if self.bank else ""]
        return " ".join(word for word in words if word)


def minor(text):
    """Crowns as haléře, exactly."""
    value = decimal.Decimal(text) * 100
    if value != value.to_integral_value():
        raise ValueError(f"{text} has more than two decimals")
    return int(value)


def read(folder):
    """All transactions, in the order they are booked: by date, and as in the file within a day."""
    with open(pathlib.Path(folder) / "trans.asc", encoding="ascii", newline="") as file:
        rows = [Transaction(id=int(row["trans_id"]), account=int(row["account_id"]),
                            date=row["date"], credit=row["type"] == "PRIJEM",
                            amount=minor(row["amount"]), balance=minor(row["balance"]),
                            operation=row["operation"], symbol=row["k_symbol"].strip(),
                            bank=row["bank"], counterparty=row["account"])
                for row in csv.DictReader(file, delimiter=";")]
    return sorted(rows, key=lambda row: row.date)


def customers(transactions):
    return sorted({row.account for row in transactions})


def own_accounts(transactions):
    """The bank's own accounts: id and code by operation, symbol and counterparty bank."""
    codes = {operation: 10 + i for i, operation in enumerate(OPERATIONS)}
    sides = sorted({row.other_side for row in transactions})
    return {side: (OWN_FIRST_ID + i, codes[side[0]]) for i, side in enumerate(sides)}


def convert(folder, output):
    """Writes both files and returns the transactions."""
    transactions = read(folder)
    own = own_accounts(transactions)
    output = pathlib.Path(output)
    with open(output / "accounts.csv", "w", encoding="ascii", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "currency", "code"])
        writer.writerows([account, CURRENCY, CUSTOMER_CODE] for account in customers(transactions))
        writer.writerows([account, CURRENCY, code] for account, code in own.values())
    with open(output / "transfers.csv", "w", encoding="ascii", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "debit_account_id", "credit_account_id", "amount", "currency",
                         "code", "reference"])
        for row in transactions:
            other, code = own[row.other_side]
            debit, credit = (other, row.account) if row.credit else (row.account, other)
            writer.writerow([row.id, debit, credit, f"{row.amount // 100}.{row.amount % 100:02}",
                             CURRENCY, code, row.reference])
    return transactions


def days_of(transactions):
    """By account and day, both in order, that day's transactions."""
    days = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in transactions:
        days[row.account][row.date].append(row)
    return days


def day_end(start, rows):
    """The bank's own balance at a day's end, and by how much its balances of that day do not chain.

    The transactions of a day are in no particular order: theirs is the one in which each balance
    follows best from the one before it, beginning at `start`."""
    best = {(1 << i, i): abs(row.balance - row.signed - start) for i, row in enumerate(rows)}
    for done in range(1, 1 << len(rows)):
        for last, before in enumerate(rows):
            if (done, last) not in best:
                continue
            for i, row in enumerate(rows):
                if not done >> i & 1:
                    step = best[done, last] + abs(row.balance - row.signed - before.balance)
                    key = done | 1 << i, i
                    best[key] = min(step, best.get(key, step))
    gap, last = min((best[(1 << len(rows)) - 1, i], i) for i in range(len(rows)))
    return rows[last].balance, gap


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(*sys.argv[1:])
