"""The florin command from end to end: what it prints, how it ends, and that repeats do no harm."""
import hashlib
import itertools
import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import wire
from cluster import SystemTest, uuid, wait_for
from wire import pb

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEADER = "id,debit_account_id,credit_account_id,amount,currency,code,reference\n"


def enum_names(descriptor):
    """As the command writes them: the prefix of CREATE_TRANSFER_RESULT_CREATED left out."""
    prefix = re.sub("(?<!^)(?=[A-Z])", "_", descriptor.name) + "_"
    return {value.name[len(prefix):].lower() for value in descriptor.values}


class CliTest(SystemTest):
    ids = itertools.count(800_000)
    codes = itertools.count(20_000)

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

    def test_outcomes_are_for_good(self):
        bank, ada = self.open()
        paid, broke, never = (str(next(self.ids)) for _ in range(3))
        self.pay(bank, ada, "1.00", "--id", paid)
        self.pay(bank, "4711", "1.00", "--id", broke, exit_code=1)
        self.assertRegex(self.florin("transfer", "outcome", paid).stdout,
                         f"(?s)transfer {paid}\n  applied    yes\n  result     created\n")
        outcomes = self.florin_json("transfer", "outcome", never, paid, broke, exit_code=1)
        for outcome in outcomes:
            self.check_message(outcome, pb.TransferOutcome, more=["id"])
        self.assertEqual([outcome["result"] for outcome in outcomes],
                         ["id_given_up", "created", "credit_account_not_found"])
        self.assertIn("no, and never will be",
                      self.florin("transfer", "outcome", never, exit_code=1).stdout)
        self.assertIn("refused before, as id_given_up, and stays so",
                      self.pay(bank, ada, "1.00", "--id", never, exit_code=1).stderr)
        shown, = self.florin_json("transfer", "show", never)
        self.assertEqual(shown["result"], "id_given_up")
        self.florin("transfer", "show", never)

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

    def test_statement_backwards(self):
        bank, ada = self.open()
        for n in range(3):
            self.pay(bank, ada, f"{n + 1}.00")
        entries = self.florin_json("account", "statement", ada)
        backwards = ("account", "statement", ada, "--newest-first")
        self.assertEqual(self.florin_json(*backwards), entries[::-1])
        page = self.florin(*backwards, "--limit", "2")
        self.assertRegex(page.stdout, r"(?s)3\.00.*2\.00")
        more = re.fullmatch(r"florin: more follow: --newest-first --until (\d+)\n", page.stderr)[1]
        self.assertEqual(self.florin_json(*backwards, "--until", more), entries[:1])

    # --------------------------------------------------------------------- pending and balancing

    def reserve(self, debit, credit, amount, *options):
        number = str(next(self.ids))
        self.pay(debit, credit, amount, "--pending", "--id", number, *options)
        return number

    def status(self, number):
        shown, = self.florin_json("transfer", "show", number)
        self.check_message(shown, pb.Transfer, more=["result", "pending_status"])
        return shown["pending_status"]

    def balances(self, *accounts):
        """Of each: debits pending, debits posted, credits pending, credits posted."""
        return [tuple(int(shown[name]) for name in ("debits_pending", "debits_posted",
                                                    "credits_pending", "credits_posted"))
                for shown in self.florin_json("account", "show", *accounts)]

    def refused(self, result, advice, *words, what=None):
        """Fails unless the command is refused so, and says what to do."""
        *_, error = self.florin_json(*words, exit_code=1)
        self.check_error(error, result, what or error["error"]["what"])
        self.assertIn(advice, error["error"]["message"])

    def test_pending_is_posted_once_in_part_or_whole(self):
        bank, ada = self.open()
        number = str(next(self.ids))
        self.assertEqual(self.pay(bank, ada, "10.00", "--pending", "--timeout", "2h", "--id",
                                  number, "--user-data", "77", "--reference", "Hotel").stdout,
                         f"transfer {number}: created, pending: 10.00 EUR from {bank} to {ada}\n")
        self.assertEqual((self.status(number), self.balances(bank, ada)),
                         ("open", [(1000, 0, 0, 0), (0, 0, 1000, 0)]))
        shown = self.florin("transfer", "show", number).stdout
        for line in ("pending    open until 2", "flags      pending\n", "timeout    7200 s\n",
                     "user data  77\n"):
            self.assertIn(line, shown)

        part = ("transfer", "post", number, "4.00", "EUR", "--id", next(self.ids))
        tried, = self.florin_json(*part, "--dry-run")
        self.check_message(tried, pb.TransferResult, more=["id", "accounts"], less=["first_result"])
        self.assertEqual({account["credits_posted"] for account in tried["accounts"]}, {"0", "400"})
        self.assertEqual(self.status(number), "open")
        self.refused("exceeds_pending_transfer_amount", "is 10.00 EUR; post at most that",
                     "transfer", "post", number, "10.01")
        self.refused("pending_transfer_has_different_ledger", "is EUR; say the same",
                     "transfer", "post", number, "4.00", "CZK")
        self.assertEqual(self.florin(*part).stdout,
                         f"transfer {part[-1]}: created, posts {number}: 4.00 EUR from {bank} to "
                         f"{ada}\n")
        self.assertIn("exists, posts", self.florin(*part).stdout)
        self.assertEqual((self.status(number), self.balances(bank, ada)),
                         ("posted", [(0, 400, 0, 0), (0, 0, 0, 400)]))
        for verb in ("post", "void"):
            self.refused("pending_transfer_already_posted", "statement", "transfer", verb, number)
        self.refused("pending_transfer_not_pending", "reverse", "transfer", "post", part[-1])
        self.refused("not_found", "there is none", "transfer", "post", "4711", what="transfer 4711")

        whole = self.reserve(bank, ada, "1.00")
        self.florin("transfer", "post", whole)
        self.assertEqual(self.balances(ada), [(0, 0, 0, 500)])
        self.assertEqual([line.split("EUR")[-1].split()[-2:] for line in
                          self.florin("account", "statement", ada).stdout.splitlines()[1:]],
                         [["pending", "Hotel"], ["posted", "Hotel"], ["CR", "pending"],
                          ["CR", "posted"]])

    def test_pending_is_voided_or_expires(self):
        bank, ada = self.open()
        number = self.reserve(bank, ada, "5.00")
        self.assertIn("would be created, voids",
                      self.florin("transfer", "void", number, "--dry-run").stdout)
        self.assertEqual(self.status(number), "open")
        self.assertIn(f"created, voids {number}: 5.00 EUR",
                      self.florin("transfer", "void", number).stdout)
        self.refused("pending_transfer_already_voided", "new transfer", "transfer", "post", number)
        self.assertEqual(self.balances(bank, ada), [(0, 0, 0, 0)] * 2)

        number = self.reserve(bank, ada, "6.00", "--timeout", "1s")
        wait_for("it to be released",
                 lambda: self.status(number) == "expired" and self.balances(bank) == [(0,) * 4])
        self.refused("pending_transfer_expired", "timeout", "transfer", "void", number)
        entries = self.florin_json("account", "statement", bank)
        self.assertEqual([entry["expired"] for entry in entries], [False, False, False, True])
        self.assertGreater(int(entries[3]["timestamp"]), int(entries[2]["timestamp"]) + 10**9)
        lines = self.florin("account", "statement", bank).stdout.splitlines()[1:]
        self.assertEqual([re.search(r"\((\d\.\d\d)\) +0\.00 +(\w+)$", line).groups()
                          for line in lines],
                         [("5.00", "pending"), ("5.00", "voided"), ("6.00", "pending"),
                          ("6.00", "expired")])

    def test_balancing_and_closing(self):
        bank, = self.open(1)
        ada, ben = self.open(2, "--no-overdraft")
        self.pay(bank, ada, "12.00")
        most = (ada, ben, "max", "--balancing-debit", "--id", next(self.ids))
        self.assertIn(f"would be created: as much as there is from {ada}",
                      self.pay(*most, "--dry-run").stdout)
        for result in ("created", "exists"):
            self.assertIn(f"{result}: 12.00 EUR from {ada}", self.pay(*most).stdout)
        self.assertIn("created: 3.00 EUR", self.pay(ben, bank, "3", "--balancing-credit").stdout)
        self.assertEqual(self.balances(ben), [(0, 300, 0, 1200)])

        closing = self.reserve(ada, bank, "0", "--closing-debit")
        self.refused("debit_account_already_closed", "voiding", "transfer", ada, ben, "1", "EUR")
        self.assertIn("closed", self.florin("account", "show", ada).stdout)
        self.florin("transfer", "void", closing)
        self.pay(bank, ada, "1.00")
        self.refused("closing_transfer_must_be_pending", "pending", "transfer", ada, ben, "1",
                     "EUR", "--closing-credit")
        self.refused("timeout_reserved_for_pending_transfer", "make it pending", "transfer", ada,
                     ben, "1", "EUR", "--timeout", "5")
        self.refused("exists_with_different_amount", "with amount 12.00 EUR", "transfer", ada, ben,
                     "11", "EUR", "--balancing-debit", "--id", most[-1])

    def test_dry_runs_change_nothing_and_spend_nothing(self):
        bank, = self.open(1)
        ada, = self.open(1, "--no-overdraft")
        words = ("transfer", ada, bank, "5.00", "EUR", "--id", next(self.ids))
        *_, error = self.florin_json(*words, "--dry-run", exit_code=1)
        self.check_error(error, "exceeds_credits", f"transfer {words[-1]}")
        self.assertNotIn("spent", error["error"]["message"])
        self.pay(bank, ada, "5.00")
        shown = self.florin(*words, "--dry-run").stdout
        self.assertIn(f"transfer {words[-1]}: would be created: 5.00 EUR from {ada} to {bank}\n",
                      shown)
        self.assertRegex(shown, rf"(?m)^{ada} +0\.00 ")
        self.assertEqual(self.balances(ada), [(0, 0, 0, 500)])
        self.assertIn("created: 5.00", self.florin(*words).stdout)

    def review_yen(self):
        """Two accounts between which more than 100 yen are held for review."""
        accounts = self.open(2, "--currency", "JPY")
        self.cluster.admin("risk", "set", "JPY", "--review-above", "100")
        self.addCleanup(self.cluster.admin, "risk", "unset", "JPY")
        wait_for("a transfer to be held", lambda: "held for review" in self.florin(
            "transfer", *accounts, "101", "JPY").stdout)
        return accounts

    def test_what_is_held_for_review_is_told_in_words(self):
        debit, credit = self.review_yen()
        words = ("transfer", debit, credit, "500", "JPY", "--id", str(next(self.ids)))
        number = words[-1]
        told = (f"held for review{{}}: 500 JPY from {debit} to {credit}\n"
                f"  `florin transfer post {number}` moves it, `florin transfer void {number}` "
                "releases it\n")
        self.assertEqual(self.florin(*words).stdout,
                         f"transfer {number}: created, " + told.format(" (amount_above_review)"))
        self.assertEqual(self.florin(*words).stdout,
                         f"transfer {number}: exists, " + told.format(""))
        self.assertIn("flags      pending|review",
                      self.florin("transfer", "show", number).stdout)
        self.florin("transfer", "post", number)
        self.assertIn("exists, was held for review and posted: 500 JPY", self.florin(*words).stdout)

    # --------------------------------------------------------------------------------- reversals

    def test_a_transfer_is_reversed_once(self):
        bank, ada = self.open()
        number = str(next(self.ids))
        self.pay(bank, ada, "7.00", "--id", number, "--code", "5", "--reference", "Oops")
        self.assertIn(f"would be created, reverses {number}",
                      self.florin("transfer", "reverse", number, "--dry-run").stdout)
        self.assertEqual(self.balances(ada), [(0, 0, 0, 700)])
        done = [self.florin_json("transfer", "reverse", number)[0] for _ in range(2)]
        self.assertEqual([result["result"] for result in done], ["created", "exists"])
        self.assertEqual(self.balances(bank, ada), [(0, 700, 0, 700)] * 2)
        made, = self.florin_json("transfer", "list", "--user-data", number)
        self.assertEqual((made["id"], made["amount"], made["code"], made["reference"]),
                         (done[0]["id"], "700", 5, "reversal"))
        self.assertEqual(made["id"], self.reversal_id(int(number), int(ada)))
        self.assertIn(f"reverses   transfer {number}",
                      self.florin("transfer", "show", made["id"]).stdout)
        self.refused("is_reversal", "a reversal stands", "transfer", "reverse", made["id"])

    @staticmethod
    def reversal_id(number, credit_account):
        text = b"florin reversal" + wire.id_bytes(number)
        number = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
        return uuid(number & ~1023 | credit_account & 1023)

    def test_two_who_reverse_at_once_make_one_transfer(self):
        bank, ada = self.open()
        for _ in range(5):
            number = str(next(self.ids))
            self.pay(bank, ada, "1.00", "--id", number)
            command = [self.cluster.bin / "florin", "--config", self.cluster.dir / "client.zpl",
                       "transfer", "reverse", number, "--json"]
            at_once = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                       for _ in range(2)]
            results = [json.loads(process.communicate(timeout=30)[0]) for process in at_once]
            self.assertEqual(sorted(result["result"] for result in results), ["created", "exists"])
            self.assertEqual([process.returncode for process in at_once], [0, 0])
            self.assertEqual(len(self.florin_json("transfer", "list", "--user-data", number)), 1)
        self.assertEqual(self.balances(ada), [(0, 500, 0, 500)])

    def test_what_moved_nothing_is_not_reversed(self):
        bank, = self.open(1)
        ada, = self.open(1, "--no-overdraft")
        numbers = {name: str(next(self.ids)) for name in ("refused", "post", "void")}

        def reverse(number, result, advice):
            self.refused(result, advice, "transfer", "reverse", number, what=f"transfer {number}")

        self.pay(ada, bank, "1.00", "--id", numbers["refused"], exit_code=1)
        reverse(numbers["refused"], "exceeds_credits", "nothing to reverse")
        reverse("4711", "not_found", "there is none")
        pending, other = self.reserve(bank, ada, "9.00"), self.reserve(bank, ada, "9.00")
        reverse(pending, "pending", f"`florin transfer void {pending}`")
        self.florin("transfer", "void", pending, "--id", numbers["void"])
        reverse(pending, "voided", "nothing moved")
        reverse(numbers["void"], "voids", "nothing to reverse")
        self.florin("transfer", "post", other, "2.50", "--id", numbers["post"])
        reverse(other, "posted", f"`florin transfer reverse {numbers['post']}`")
        self.assertIn("2.50 EUR", self.florin("transfer", "reverse", numbers["post"]).stdout)
        self.assertEqual(self.balances(ada), [(0, 250, 0, 250)])

    def test_a_reversal_that_fails_may_be_tried_again(self):
        bank, ben = self.open()
        ada, = self.open(1, "--no-overdraft")
        number = str(next(self.ids))
        self.pay(bank, ada, "4.00", "--id", number)
        self.pay(ada, ben, "4.00")
        self.refused("exceeds_credits", "at most 0.00 EUR", "transfer", "reverse", number)
        self.pay(ben, ada, "4.00")
        self.florin("transfer", "reverse", number)
        self.assertEqual(self.balances(bank), [(0, 400, 0, 400)])

    def test_a_reversal_whose_id_is_lost_says_so(self):
        bank, = self.open(1)
        ada, = self.open(1, "--no-overdraft")
        number = next(self.ids)
        self.pay(bank, ada, "4.00", "--id", number)
        reversal = self.reversal_id(number, int(ada))
        self.pay(ada, bank, "5.00", "--id", reversal, exit_code=1)  # spends it
        lost = self.florin("transfer", "reverse", number, exit_code=1)
        self.assertIn("id_already_failed", lost.stderr)
        self.assertIn(f"was refused; only a transfer under a new id can move the money back, and "
                      f"pays each time: `florin transfer {ada} {bank} 4.00 EUR`", lost.stderr)

        debit, credit = self.review_yen()
        number = next(self.ids)
        self.florin("transfer", debit, credit, "700", "JPY", "--id", number)
        post = next(self.ids)
        self.florin("transfer", "post", number, "--id", post)
        reverse = ("transfer", "reverse", post)
        self.assertIn("created, held for review", self.florin(*reverse).stdout)
        held = self.reversal_id(post, int(credit))
        self.florin("transfer", "void", held)
        self.assertIn("was held for review and voided; only a transfer under a new id",
                      self.florin(*reverse, exit_code=1).stderr)

    # ------------------------------------------------------------------------ lists and balances

    def test_lists(self):
        code = str(next(self.codes))
        accounts = self.open(3, "--code", code, "--user-data", "9")
        one, two = self.open(1, "--code", code), self.open(1, "--code", code, "--currency", "CZK")
        everyone = accounts + one + two

        def ids(*words):
            return [int(line["id"][-12:], 16) for line in self.florin_json(*words)]

        of_code = ("account", "list", "--code", code)
        for line in self.florin_json(*of_code):
            self.check_message(line, pb.Account)
        self.assertEqual(ids(*of_code), [int(i) for i in everyone])
        self.assertEqual(ids(*of_code, "--newest-first"), [int(i) for i in everyone[::-1]])
        self.assertEqual(ids(*of_code, "--currency", "CZK"), [int(two[0])])
        self.assertEqual(ids(*of_code, "--user-data", "9"), [int(i) for i in accounts])
        opened = [line["timestamp"] for line in self.florin_json(*of_code)]
        self.assertEqual(ids(*of_code, "--from", opened[3]), [int(one[0]), int(two[0])])
        self.assertEqual(ids(*of_code, "--until", opened[3]), [int(i) for i in accounts])

        *page, more = self.florin_json(*of_code, "--limit", "2")
        self.assertEqual([line["id"] for line in page], [uuid(int(i)) for i in accounts[:2]])
        shown = self.florin(*of_code, "--limit", "2")
        self.assertEqual(shown.stderr, f"florin: more follow: --cursor {more['next_cursor']}\n")
        self.assertRegex(shown.stdout, rf"^OPENED \(UTC\) .*\n.* {accounts[0]} +EUR +{code} ")
        self.assertEqual(ids(*of_code, "--cursor", more["next_cursor"]),
                         [int(i) for i in everyone[2:]])

        numbers = [next(self.ids) for _ in range(3)]
        for n, number in enumerate(numbers):
            self.pay(*accounts[:2], f"{n + 1}", "--id", number, "--code", code, "--user-data", n)
        listed = ("transfer", "list", "--code", code)
        for line in self.florin_json(*listed):
            self.check_message(line, pb.Transfer)
        self.assertEqual(ids(*listed), numbers)
        self.assertEqual(ids(*listed, "--user-data", "2"), numbers[2:])
        self.assertEqual(ids(*listed, "--newest-first", "--currency", "EUR"), numbers[::-1])
        self.assertEqual(ids(*listed, "--currency", "CZK"), [])
        self.assertRegex(self.florin(*listed).stdout, rf"\n.* {numbers[2]} .* 3\.00 EUR +{code}\n$")

    def test_lists_go_on_page_by_page(self):
        code = str(next(self.codes))
        _, rows = self.books(1100)
        path = self.file(HEADER + "".join(row.replace(",7,", f",{code},") for row in rows))
        self.florin("import", path)
        listed = self.florin_json("transfer", "list", "--code", code)
        self.assertEqual(len({line["id"] for line in listed}), 1100)
        self.assertEqual(listed[::-1],
                         self.florin_json("transfer", "list", "--code", code, "--newest-first"))

    def test_balance(self):
        bank, = self.open(1)
        ada, = self.open(1, "--history")
        self.pay(bank, ada, "2.00")
        first, = self.florin_json("account", "statement", ada)
        self.pay(bank, ada, "3.00", "--pending")
        at = ("account", "balance", ada, "--at", first["timestamp"])
        then, = self.florin_json(*at)
        self.check_message(then, pb.BalanceAtReply, more=["id"])
        self.assertEqual((then["credits_posted"], then["credits_pending"], then["changed_at"]),
                         ("200", "0", first["timestamp"]))
        now, = self.florin_json("account", "balance", ada)
        self.check_message(now, pb.BalanceAtReply, more=["id"], less=["changed_at"])
        self.assertEqual((now["credits_posted"], now["credits_pending"]), ("200", "300"))
        self.assertIn("balance   2.00 CR\n", self.florin(*at).stdout)
        self.assertIn("not open yet",
                      self.florin("account", "balance", ada, "--at", "2020-01-01").stdout)
        self.refused("no_history", "--history", "account", "balance", bank, "--at", "2020-01-01")
        self.refused("not_found", "there is none", "account", "balance", "4711")

    def test_credit_limit(self):
        bank, = self.open(1)
        ada, = self.open(1, "--no-overdraft")
        limit = ("account", "limit", ada)
        self.assertEqual(self.florin(*limit, "20.00").stdout,
                         f"account {ada}: credit limit 20.00 EUR\n")
        again, = self.florin_json(*limit, "20.00")
        self.check_message(again, pb.CreditLimitResult, more=["id"])
        self.assertEqual((again["result"], again["timestamp"]), ("set", "0"))
        self.pay(ada, bank, "15.00")
        self.refused("exceeds_credits", "balance 15.00 DR", *limit, "14.99")
        self.florin(*limit, "15.00")
        self.refused("exceeds_credits", "at most 0.00 EUR", "transfer", ada, bank, "0.01", "EUR")
        self.refused("not_found", "there is none", "account", "limit", "4711", "1.00")
        self.assertIn("more decimals", self.florin(*limit, "1.005", exit_code=2).stderr)

    def test_accounts_are_opened_closed_or_imported(self):
        ids = self.open(2, "--closed", "--history", "--timestamp", "2020-01-01")
        for n, account in enumerate(self.florin_json("account", "show", *ids)):
            self.assertEqual((account["flags"], int(account["timestamp"])),
                             (8 | 16 | 32, 1577836800 * 10**9 + n))
        self.refused("debit_account_already_closed", "closed", "transfer", *ids, "1.00", "EUR")
        self.refused("imported_event_timestamp_must_not_advance", "earlier", "account", "open",
                     "--currency", "EUR", "--code", "1", "--timestamp", "2100-01-01")
        self.refused("exists_with_different_flags", "closed", "account", "open", ids[0],
                     "--currency", "EUR", "--code", "1")

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
                      ("transfer", "1", "2", "1", "EUR", "--pending", "--timeout", "4294967296"),
                      ("transfer", "1", "2", "1", "EUR", "--pending", "--timeout", "0"),
                      ("transfer", "1", "2", "max", "EUR"), ("transfer", "post"),
                      ("transfer", "post", "void", "1"), ("transfer", "void", "1", "2.00"),
                      ("transfer", "post", "1", "2.00", "EUR", "5"), ("transfer", "reverse", "x"),
                      ("transfer", "reverse", "1", "2"), ("account", "limit", "1"),
                      ("account", "balance", "1", "2"), ("account", "balance", "1", "--at", "x"),
                      ("account", "list", "1"), ("account", "list", "--cursor", "xy"),
                      ("transfer", "list", "--limit", "0"), ("transfer", "list", "--code", "0"),
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
