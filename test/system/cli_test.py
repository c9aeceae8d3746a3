"""The florin command from end to end: what it prints, how it ends, and that repeats do no harm."""
import itertools
import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import wire
from cluster import SystemTest, wait_for
from wire import pb

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEADER = "id,debit_account_id,credit_account_id,amount,currency,code,reference\n"


def enum_names(descriptor):
    """As the command writes them: the prefix of CREATE_TRANSFER_RESULT_CREATED left out."""
    prefix = re.sub("(?<!^)(?=[A-Z])", "_", descriptor.name) + "_"
    return {value.name[len(prefix):].lower() for value in descriptor.values}


class CliTest(SystemTest):
    ids = itertools.count(800_000)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.florin, self.florin_json = self.cluster.florin, self.cluster.florin_json

    def open(self, count=2, *options):
        accounts = [str(next(self.ids)) for _ in range(count)]
        self.florin("account", "open", *accounts, "--currency", "EUR", "--code", "1", *options)
        return accounts

    def pay(self, debit, credit, amount, *options, **expected):
        return self.florin("transfer", debit, credit, amount, "EUR", *options, **expected)

    def file(self, text):
        path = self.folder / "file.csv"
        path.write_text(text)
        return path

    def books(self, rows, amount="0.01"):
        """So many transfers between two new accounts: the first of them, and the rows."""
        debit, credit = self.open()
        return debit, [f"{next(self.ids)},{debit},{credit},{amount},EUR,7,\"row {n}, one\"\n"
                       for n in range(rows)]

    # ------------------------------------------------------------------------- messages as JSON

    def check_message(self, shown, message, more=(), less=()):
        """Fails unless the object is that message of the proto, each field of its kind."""
        fields = {field.name: field for field in message.DESCRIPTOR.fields}
        self.assertEqual(set(shown), set(fields) - set(less) | set(more))
        for name in fields.keys() & shown.keys():
            repeated = fields[name].label == fields[name].LABEL_REPEATED
            for value in shown[name] if repeated else [shown[name]]:
                self.check_value(value, fields[name])

    def check_value(self, value, field):
        if field.type == field.TYPE_MESSAGE:
            self.check_message(value, getattr(pb, field.message_type.name))
        elif field.type == field.TYPE_ENUM:
            self.assertIn(value, enum_names(field.enum_type))
        elif field.type == field.TYPE_UINT64:
            self.assertRegex(value, r"^\d+$", field.name)
        elif field.type == field.TYPE_BYTES:
            self.assertRegex(value, UUID, field.name)
        else:
            kinds = {field.TYPE_UINT32: int, field.TYPE_STRING: str, field.TYPE_BOOL: bool}
            self.assertIs(type(value), kinds[field.type], field.name)

    def check_error(self, shown, code, what=None):
        self.assertEqual(set(shown), {"error"})
        self.assertEqual((shown["error"]["code"], shown["error"].get("what")), (code, what))
        self.assertTrue(shown["error"]["message"])

    # ----------------------------------------------------------------------------- the commands

    def test_accounts(self):
        one, two = str(next(self.ids)), str(next(self.ids))
        open_both = ("account", "open", one, two, "--currency", "EUR", "--code", "1",
                     "--no-overdraft", "--credit-limit", "5.00")
        for result in ("created", "exists"):
            lines = self.florin_json(*open_both)
            for line in lines:
                self.check_message(line, pb.AccountResult, more=["id"])
            self.assertEqual([line["result"] for line in lines], [result] * 2)
        self.assertEqual(self.florin(*open_both).stdout,
                         f"account {one}: exists\naccount {two}: exists\n")
        refused, error = self.florin_json("account", "open", one, "--currency", "CZK", "--code",
                                          "1", "--no-overdraft", exit_code=1)
        self.assertEqual(refused["result"], "exists_with_different_ledger")
        self.check_error(error, "exists_with_different_ledger", f"account {one}")

        new, = self.florin_json("account", "open", "--currency", "JPY", "--code", "2")
        shown, missing, again = self.florin_json("account", "show", one, "4711", new["id"],
                                                 exit_code=1)
        for account in (shown, again):
            self.check_message(account, pb.Account)
        self.assertEqual((shown["credit_limit"], again["id"]), ("500", new["id"]))
        self.check_error(missing, "not_found", "account 4711")
        self.assertIn("credit limit  5.00\n", self.florin("account", "show", one).stdout)

    def test_transfers(self):
        bank, = self.open(1)
        ada, ben = self.open(2, "--no-overdraft")
        paid, broke = str(next(self.ids)), str(next(self.ids))
        words = (bank, ada, "10.00", "--id", paid, "--reference", "Žluťoučký kůň")
        self.assertEqual(self.pay(*words).stdout,
                         f"transfer {paid}: created: 10.00 EUR from {bank} to {ada}\n")
        self.assertIn("exists", self.pay(*words).stdout)
        self.assertIn("exists_with_different_amount",
                      self.pay(bank, ada, "10.01", "--id", paid, exit_code=1).stderr)

        no_money = (ada, ben, "10.01", "--id", broke)
        self.assertIn("can pay at most 10.00 EUR", self.pay(*no_money, exit_code=1).stderr)
        again, error = map(json.loads, self.pay(*no_money, "--json", exit_code=1)
                           .stdout.splitlines())
        self.check_message(again, pb.TransferResult, more=["id"])
        self.assertEqual((again["result"], again["first_result"]),
                         ("id_already_failed", "exceeds_credits"))
        self.check_error(error, "id_already_failed", f"transfer {broke}")

        one, other, missing = self.florin_json("transfer", "show", paid, broke, "4711",
                                               exit_code=1)
        for shown in (one, other):
            self.check_message(shown, pb.Transfer, more=["result"])
        self.assertEqual((one["result"], one["amount"], one["reference"]),
                         ("created", "1000", "Žluťoučký kůň"))
        self.assertEqual(other["result"], "exceeds_credits")
        self.check_error(missing, "not_found", "transfer 4711")

        minted, = map(json.loads, self.pay(bank, ada, "1.00", "--json").stdout.splitlines())
        self.check_message(minted, pb.TransferResult, more=["id"], less=["first_result"])

    def test_refusals_say_what_to_do(self):
        bank, ada = self.open(2, "--currency", "CZK")
        most = "92233720368547758.07"
        self.florin("transfer", bank, ada, most, "CZK")
        for words, advice in (((bank, "0", "1.00"), "name another credit account"),
                              ((bank, bank, "1.00"), "from an account to itself"),
                              ((bank, ada, "1.00", "--id", "0"), "choose another id"),
                              ((bank, ada, most), "2^63-1")):
            self.assertIn(advice, self.florin("transfer", *words[:3], "CZK", *words[3:],
                                              exit_code=1).stderr)

    def test_references_do_not_reach_the_terminal_raw(self):
        bank, ada = self.open()
        number = next(self.ids)
        self.client.pay(number, int(bank), int(ada), 1, reference="a\x1b[2J\u009bb\n")
        for command in (("transfer", "show", number), ("account", "statement", ada)):
            self.assertIn("a?[2J??b?\n", self.florin(*command).stdout)

    def test_statement(self):
        bank, ada = self.open()
        for n in range(5):
            self.pay(bank, ada, f"{n + 1}.00")
        entries = self.florin_json("account", "statement", ada)
        for entry in entries:
            self.check_message(entry, pb.StatementEntry)
        times = [int(entry["transfer"]["timestamp"]) for entry in entries]
        self.assertEqual(times, sorted(set(times)))
        self.assertEqual([entry["credits_posted"] for entry in entries],
                         ["100", "300", "600", "1000", "1500"])

        def ask(*options):
            return self.florin_json("account", "statement", ada, *map(str, options))

        self.assertEqual(ask("--from", times[1], "--until", times[3]), entries[1:3])
        self.assertEqual(ask("--from", times[4] + 1), [])
        self.assertEqual(ask("--limit", 5), entries)
        page = ask("--limit", 2)
        self.assertEqual(page, entries[:2] + [{"next_cursor": str(times[1])}])
        self.assertEqual(ask("--from", int(page[-1]["next_cursor"]) + 1), entries[2:])

        shown = self.florin("account", "statement", ada, "--limit", "4")
        self.assertEqual(len(shown.stdout.splitlines()), 1 + 4)
        more = re.fullmatch(r"florin: more follow: --from (\d+)\n", shown.stderr)[1]
        rest = self.florin("account", "statement", ada, "--from", more)
        self.assertRegex(rest.stdout, r"\n.* 5\.00 +15\.00 CR\n$")
        self.assertEqual(rest.stderr, "")
        error, = self.florin_json("account", "statement", "4711", exit_code=1)
        self.check_error(error, "not_found", "account 4711")

    def test_import(self):
        accounts = [str(next(self.ids)) for _ in range(3)]
        path = self.file("currency,id,code\n" + "".join(f"EUR,{i},5\n" for i in accounts))
        for created in (3, 0):
            self.assertEqual(self.florin_json("account", "import", path),
                             [{"file": str(path), "rows": "3", "created": str(created),
                               "existed": str(3 - created), "refused": "0"}])

        debit, rows = self.books(1200)
        path = self.file(HEADER + "".join(rows))
        self.assertIn("1,200 rows, all good", self.florin("import", path, "--check").stdout)
        self.assertEqual(self.florin_json("account", "statement", debit), [])
        self.assertIn("1,200 rows: 1,200 created", self.florin("import", path).stdout)
        self.assertIn("1,200 existed, 0 refused",
                      self.florin("import", path, "--batch", "100", "--in-flight", "4").stdout)
        entries = self.florin_json("account", "statement", debit)
        self.assertEqual([entry["transfer"]["reference"] for entry in entries],
                         [f"row {n}, one" for n in range(1200)])

    def test_import_names_the_line(self):
        _, rows = self.books(3)
        number = next(self.ids)
        rows[1] = f"{number},4711,4712,1.00,EUR,7,\n"
        path = self.file(HEADER + "".join(rows))
        refused, summary = self.florin_json("import", path, exit_code=1)
        self.check_message(refused, pb.TransferResult, more=["id", "line"], less=["first_result"])
        self.assertEqual((refused["line"], refused["result"]), (3, "debit_account_not_found"))
        self.assertEqual((summary["created"], summary["refused"]), ("2", "1"))

        path = self.file(HEADER + rows[0] + f"{number},1,2,1.00,EUR,7,\"a\nb\"\n")
        self.assertIn(f"{path}:3: invalid: reference: it has a line break",
                      self.florin("import", path, exit_code=2).stderr)
        self.assertIn("column debit_account_id is missing",
                      self.florin("import", self.file("id,code\n"), exit_code=2).stderr)

    def test_an_interrupted_import_is_finished_by_running_it_again(self):
        debit, rows = self.books(400)
        command = [self.cluster.bin / "florin", "--config", self.cluster.dir / "client.zpl",
                   "import", "-", "--batch", "20"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, text=True) as importing:
            # The other half never comes, so it can't have ended before it is interrupted.
            importing.stdin.write(HEADER + "".join(rows[:200]))
            importing.stdin.flush()
            wait_for("some rows to be in the books",
                     lambda: self.florin_json("account", "statement", debit, "--limit", "1"))
            importing.send_signal(signal.SIGINT)
            self.assertEqual(importing.wait(20), -signal.SIGINT)
        summary, = self.florin_json("import", self.file(HEADER + "".join(rows)))
        self.assertEqual((summary["rows"], summary["refused"]), ("400", "0"))
        self.assertGreaterEqual(int(summary["existed"]), 20)
        self.assertGreaterEqual(int(summary["created"]), 200)
        shown, = self.florin_json("account", "show", debit)
        self.assertEqual(shown["debits_posted"], "400")

    def test_trial_balance_and_status(self):
        bank, ada = self.open()
        self.pay(bank, ada, "12.34")
        *rows, verdict = self.florin_json("trial-balance")
        for row in rows:
            self.check_message(row, pb.TrialBalanceRow)
        self.assertIn((978, 1), [(row["ledger"], row["code"]) for row in rows])
        self.assertEqual(verdict, {"balanced": True})
        self.assertIn("EUR: debits and credits are equal", self.florin("trial-balance").stdout)

        status, = self.florin_json("status")
        self.check_message(status, pb.BrokerStatus)
        self.assertLessEqual({"accounts", "transactions", "risk"},
                             {pool["service"] for pool in status["pools"]})
        self.assertRegex(self.florin("status").stdout, r"(?m)^transactions .* ready$")

    def test_keygen(self):
        made, = self.florin_json("keygen", "ada", "--folder", self.folder)
        self.assertEqual(made, {"name": "ada", "secret_key": f"{self.folder}/ada.key",
                                "public_key": f"{self.folder}/ada.pub"})
        self.assertEqual((self.folder / "ada.key").stat().st_mode & 0o777, 0o600)
        secret = (self.folder / "ada.key").read_bytes()
        for name, folder, reason in (("ada", self.folder, "exists"),
                                     ("a/b", self.folder, "no name"),
                                     ("ada", self.folder / "none", "No such file")):
            self.assertIn(reason, self.florin("keygen", name, "--folder", folder,
                                              exit_code=2).stderr)
        self.assertEqual((self.folder / "ada.key").read_bytes(), secret)

    # ------------------------------------------------------------------------------- exit codes

    def test_wrong_usage_is_2(self):
        for words in ((), ("pay",), ("account",), ("transfer", "1", "2"), ("status", "--no-such"),
                      ("transfer", "1", "2", "1.234", "EUR"), ("account", "show", "x" * 40),
                      ("account", "statement", "1", "--from", "2026-02-30"),
                      ("status", "--config", self.folder / "none.zpl")):
            done = self.florin(*words, exit_code=2)
            self.assertEqual((done.stdout, bool(done.stderr)), ("", True), words)
        error, = self.florin_json("account", "show", "x" * 40, exit_code=2)
        self.check_error(error, "invalid")

    def test_no_answer_is_3(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            keys = self.cluster.dir / "keys"
            config = self.folder / "client.zpl"
            config.write_text("client\n"
                              f"    broker = \"tcp://127.0.0.1:{nobody.getsockname()[1]}\"\n"
                              f"    broker_key = \"{keys}/broker.pub\"\n"
                              f"    key = \"{keys}/operator.key\"\n"
                              "    timeout_ms = 200\n")
            error, = self.florin_json("transfer", "1", "2", "1.00", "EUR", "--id", "7",
                                      "--config", config, exit_code=3)
        self.check_error(error, "timeout", "transfer 7")

    def test_lost_output_is_4(self):
        for output, reason in ((">/dev/full", "could not be written"),
                               (">&-", "standard output is closed")):
            done = subprocess.run(["bash", "-c", f'exec "$@" {output}', "-",
                                   self.cluster.bin / "florin", "status", "--config",
                                   self.cluster.dir / "client.zpl"], stderr=subprocess.PIPE,
                                  text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 4)
            self.assertIn(reason, done.stderr)

    # --------------------------------------------------------------------------- the whole road

    def test_the_first_payment_can_be_made_twice(self):
        for _ in range(2):
            done = subprocess.run([wire.REPO / "ops/first-payment", "--dir", self.cluster.dir,
                                   "--bin", self.cluster.bin], capture_output=True, text=True,
                                  timeout=60, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("All as it should be.", done.stdout)
        account, = self.florin_json("account", "show", "1")
        self.assertEqual((account["debits_posted"], account["credits_posted"]), ("1250", "50000"))
        self.cluster.audit()
