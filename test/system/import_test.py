"""Files of accounts and transfers: every column, chains, imported rows, dry runs."""
import itertools
import pathlib
import subprocess
import tempfile

from cluster import SystemTest

EVENTS_MAX = 8190
COLUMNS = ("id", "debit_account_id", "credit_account_id", "amount", "currency", "code", "flags",
           "pending_id", "timeout", "user_data", "timestamp")
LINKED, PENDING, POST, VOID, IMPORTED = 1, 2, 4, 8, 256


def row(number, debit="", credit="", amount="", **more):
    """A line of a file with all columns. One without accounts has no currency and code either."""
    own = {"currency": "EUR", "code": 7} if debit else {}
    values = {"id": number, "debit_account_id": debit, "credit_account_id": credit,
              "amount": amount, **own, **more}
    return ",".join(str(values.get(name, "")) for name in COLUMNS) + "\n"


class ImportTest(SystemTest):
    ids = itertools.count(900_000)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.florin, self.florin_json = self.cluster.florin, self.cluster.florin_json

    def numbers(self, count):
        return [next(self.ids) for _ in range(count)]

    def open(self, count=2, *options):
        accounts = self.numbers(count)
        self.florin("account", "open", *accounts, "--currency", "EUR", "--code", "1", *options)
        return accounts

    def open_in_2020(self):
        """Two accounts."""
        accounts = self.numbers(2)
        self.florin("account", "import",
                    self.file(*(f"{i},EUR,1,imported,2020-01-0{n + 1}\n"
                                for n, i in enumerate(accounts)),
                              header="id,currency,code,flags,timestamp"))
        return accounts

    def file(self, *rows, header=",".join(COLUMNS)):
        path = self.folder / "file.csv"
        path.write_text(header + "\n" + "".join(rows))
        return path

    def bring_in(self, *rows, options=(), exit_code=0):
        """Imports a file of transfers. The results of those refused by id, and the counts."""
        *refused, summary = self.florin_json("import", self.file(*rows), *options,
                                             exit_code=exit_code)
        return ({int(line["id"].replace("-", ""), 16): line["result"] for line in refused},
                tuple(int(summary[name]) for name in ("rows", "created", "existed", "refused")))

    def pipe_in(self, path, *options):
        """Imports from standard input; exit code, standard output and standard error."""
        done = subprocess.run([self.cluster.bin / "florin", "--config",
                               self.cluster.dir / "client.zpl", "import", "-", *options],
                              input=path.read_text(), capture_output=True, text=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def moved(self, account):
        """How many entries its statement has."""
        return len(self.florin_json("account", "statement", account))

    def balance(self, account):
        shown, = self.florin_json("account", "show", account)
        return int(shown["credits_posted"]) - int(shown["debits_posted"])

    # ---------------------------------------------------------------------------------- columns

    def test_accounts_bring_flags_limits_user_data_and_time(self):
        old, new, linked, shut = self.numbers(4)
        path = self.file(f"{old},EUR,1,imported|history,,77,2020-01-02T03:04:05Z\n",
                         f"{new},CZK,2,debits_must_not_exceed_credits,5.00,,\n",
                         f"{linked},EUR,3,linked,,,\n", f"{shut},EUR,4,closed,,,\n",
                         header="id,currency,code,flags,credit_limit,user_data,timestamp")
        for created in (4, 0):
            summary, = self.florin_json("account", "import", path)
            self.assertEqual((summary["created"], summary["existed"]),
                             (str(created), str(4 - created)))
        shown = self.florin_json("account", "show", old, new, linked, shut)
        self.assertEqual([account["flags"] for account in shown], [16 | 8, 2, 1, 32])
        self.assertEqual((shown[0]["timestamp"], int(shown[0]["user_data"].replace("-", ""), 16)),
                         ("1577934245000000000", 0x77 - 42))
        self.assertEqual((shown[1]["credit_limit"], shown[1]["ledger"]), ("500", 203))

    def test_posting_voiding_and_balancing(self):
        bank, ada = self.open()
        fill, hold, post, part, half, void, dropped, rest = self.numbers(8)
        refused, counts = self.bring_in(
            row(fill, bank, ada, "100.00"),
            row(hold, ada, bank, "30.00", flags="pending", timeout=3600, user_data=5),
            row(post, flags="post_pending_transfer", pending_id=hold),
            row(part, ada, bank, "20.00", flags="pending"),
            row(half, ada, bank, "8.00", flags="post_pending_transfer", pending_id=part),
            row(dropped, ada, bank, "50.00", flags="pending"),
            row(void, flags="void_pending_transfer", pending_id=dropped),
            row(rest, ada, bank, "max", flags="balancing_debit"))
        self.assertEqual((refused, counts), ({}, (8, 8, 0, 0)))
        shown = self.florin_json("transfer", "show", hold, post, half, void, rest)
        self.assertEqual([(transfer["flags"], transfer["amount"]) for transfer in shown],
                         [(PENDING, "3000"), (POST, "3000"), (POST, "800"), (VOID, "5000"),
                          (16, "6200")])
        self.assertEqual((shown[0]["timeout"], shown[1]["debit_account_id"]),
                         (3600, shown[0]["debit_account_id"]))
        self.assertEqual(shown[0]["user_data"][-12:], "000000000005")
        self.assertEqual(self.balance(ada), 0)

    def test_imported_rows_bring_their_time_and_keep_their_order(self):
        accounts = self.open_in_2020()
        days, (now, late) = self.numbers(3), self.numbers(2)
        # Imported rows and others take requests of their own.
        refused, counts = self.bring_in(
            *(row(number, *accounts, "1.00", flags="imported", timestamp=f"2021-01-0{n + 1}")
              for n, number in enumerate(days)),
            row(now, *accounts, "1.00"),
            row(late, *accounts, "1.00", flags="imported", timestamp="2021-01-02"), exit_code=1)
        self.assertEqual(refused, {late: "imported_event_timestamp_must_not_regress"})
        self.assertEqual(counts, (5, 4, 0, 1))
        first, *_, last = self.florin_json("account", "statement", accounts[0])
        self.assertEqual(first["timestamp"], "1609459200000000000")
        self.assertGreater(int(last["timestamp"]), 1609459200000000000 + 3 * 86400 * 10**9)
        self.assertEqual(self.moved(accounts[0]), 4)

    def test_imported_rows_are_not_overtaken(self):
        accounts = self.open_in_2020()
        rows = [row(number, *accounts, "0.01", flags="imported", timestamp=16 * 10**17 + n)
                for n, number in enumerate(self.numbers(200))]
        refused, counts = self.bring_in(*rows, row(next(self.ids), *accounts, "0.01"),
                                        options=("--batch", "2", "--in-flight", "16"))
        self.assertEqual((refused, counts), ({}, (201, 201, 0, 0)))

    # ----------------------------------------------------------------------------------- chains

    def chain(self, length, debit, credit, amount="0.01"):
        numbers = self.numbers(length)
        return [row(number, debit, credit, amount, flags="linked" if number != numbers[-1] else "")
                for number in numbers]

    def test_a_chain_is_never_cut(self):
        bank, ada = self.open()
        chains = [self.chain(length, bank, ada) for length in (2, 2, 1, 3, 7, 1, 4, 2)]
        rows = list(itertools.chain(*chains))
        for options in ((), ("--batch", "3"), ("--batch", "1"),
                        ("--batch", "4", "--in-flight", "3")):
            refused, counts = self.bring_in(*rows, options=options)
            self.assertEqual((refused, counts[0], counts[3]), ({}, len(rows), 0), options)
        self.assertEqual(self.moved(ada), len(rows))

        bank, ada = self.open()
        rows = list(itertools.chain(*(self.chain(5, bank, ada) for _ in range(30))))
        code, output, _ = self.pipe_in(self.file(*rows), "--batch", "7", "--in-flight", "4")
        self.assertEqual(code, 0)
        self.assertIn("150 rows: 150 created, 0 existed, 0 refused", output)

    def test_a_chain_as_long_as_a_request_is_carried(self):
        bank, ada = self.open()
        path = self.file(*self.chain(1, bank, ada), *self.chain(EVENTS_MAX, bank, ada))
        for outcome in ("8,191 created, 0 existed", "0 created, 8,191 existed"):
            self.assertIn(outcome, self.florin("import", path).stdout)
        self.assertEqual(self.balance(ada), EVENTS_MAX + 1)

    def test_a_chain_that_is_too_long_or_open_stops_the_file(self):
        for length, take, words in ((EVENTS_MAX + 1, EVENTS_MAX + 1, "more than 8190 rows"),
                                    (3, 2, "is still open")):
            bank, ada = self.open()
            path = self.file(*self.chain(1, bank, ada), *self.chain(length, bank, ada)[:take])
            for options in ((), ("--check",)):
                done = self.florin("import", path, *options, exit_code=2)
                self.assertIn(f"{path}:3: invalid: the chain that begins here", done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("invalid"), 1)
                self.assertEqual(done.stdout, "")
            self.assertEqual(self.moved(ada), 0)
            # Of what can't be read twice, the requests before the chain are sent.
            code, _, error = self.pipe_in(path, "--batch", "1")
            self.assertEqual(code, 2)
            self.assertIn("-:3: invalid: the chain that begins here", error)
            self.assertIn(words, error)
            self.assertEqual(self.moved(ada), 1)

    def test_a_chain_stands_or_falls_whole(self):
        bank, ada, ben = self.open(3)
        poor, = self.open(1, "--no-overdraft")
        good, (fee, broke) = self.chain(2, bank, ada), self.numbers(2)
        bad = [row(fee, bank, ada, "0.01", flags="linked"), row(broke, poor, ben, "1.00")]
        refused, counts = self.bring_in(*good, *bad, exit_code=1)
        self.assertEqual(refused, {fee: "linked_event_failed", broke: "exceeds_credits"})
        self.assertEqual(counts, (4, 2, 0, 2))
        refused, counts = self.bring_in(*good, *bad, exit_code=1)
        self.assertEqual(refused, {fee: "linked_event_failed", broke: "id_already_failed"})
        self.assertEqual(counts, (4, 0, 2, 2))

        # That a later row of it exists does not make a chain exist.
        alone, before = self.numbers(2)
        self.bring_in(row(alone, bank, ada, "0.01"))
        refused, counts = self.bring_in(row(before, bank, ada, "0.01", flags="linked"),
                                        row(alone, bank, ada, "0.01"), exit_code=1)
        self.assertEqual(refused, {before: "linked_event_failed", alone: "exists"})
        self.assertEqual(counts, (2, 0, 0, 2))
        self.assertEqual((self.balance(ada), self.balance(ben)), (3, 0))

    # ---------------------------------------------------------------------------- before sending

    def test_a_file_is_checked_whole_before_any_of_it_is_sent(self):
        bank, ada = self.open()
        rows = [row(number, bank, ada, "0.01") for number in self.numbers(300)]
        path = self.file(*rows, row(next(self.ids), bank, ada, "0.001"))
        done = self.florin("import", path, "--batch", "100", exit_code=2)
        self.assertIn(f"{path}:302: invalid: amount: ", done.stderr)
        self.assertIn("nothing was sent; mend the file", done.stderr)
        self.assertEqual(self.moved(ada), 0)
        # What can't be read twice is checked request by request.
        code, _, error = self.pipe_in(path, "--batch", "100")
        self.assertEqual(code, 2)
        self.assertIn("not all was imported; mend the file", error)
        self.assertEqual(self.balance(ada), 300)

    def test_a_dry_run_says_what_would_happen(self):
        bank, ben = self.open()
        poor, = self.open(1, "--no-overdraft")
        there, fill, spend, broke = self.numbers(4)
        self.florin("transfer", bank, ben, "1.00", "EUR", "--id", there, "--code", "7")
        rows = [row(there, bank, ben, "1.00"), row(fill, bank, poor, "5.00"),
                row(spend, poor, ben, "4.00"), row(broke, poor, ben, "4.00")]
        dry = ("--dry-run",)
        for _ in range(2):
            refused, counts = self.bring_in(*rows, options=dry, exit_code=1)
            self.assertEqual((refused, counts), ({broke: "exceeds_credits"}, (4, 2, 1, 1)))
        # Each request is tried by itself: the second does not see what the first would do.
        refused, counts = self.bring_in(*rows, options=(*dry, "--batch", "2"), exit_code=1)
        self.assertEqual(refused, {spend: "exceeds_credits", broke: "exceeds_credits"})
        self.assertEqual((self.balance(poor), self.balance(ben)), (0, 100))

        done = self.florin("import", self.file(*rows), *dry, "--batch", "2", exit_code=1)
        self.assertIn("4 rows: 1 would be created, 1 exist, 2 would be refused; "
                      "nothing was changed", done.stdout)
        self.assertIn("2 requests, each tried by itself", done.stdout)
        self.assertIn(f"file.csv:5: transfer {broke}: would be refused: exceeds_credits\n",
                      done.stderr)
        self.assertIn("give one of them", self.florin("import", self.file(*rows), *dry, "--check",
                                                      exit_code=2).stderr)
        # No id was spent.
        refused, counts = self.bring_in(*rows[:3])
        self.assertEqual((refused, counts), ({}, (3, 2, 1, 0)))
        self.assertEqual((self.balance(poor), self.balance(ben)), (100, 500))

    def tearDown(self):
        self.assertTrue(self.cluster.trial_balance_is_zero())
