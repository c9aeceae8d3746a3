"""A client that touches nothing broken: its accounts are on one shard, of no other client, and of no
fault. It asks at a steady pace, whatever happens, and writes down each request with its answer, when it was
due, and when it was answered. A program of its own, so that no other client's work counts as its wait.

usage: bystander.py SHARD SEED OVER_S HISTORY CLUSTER_FOLDER ENDPOINT...     until its input ends

A hold of a second is over OVER_S after the answer to it, or earlier."""
import json
import pathlib
import random
import select
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import places
import wire
from traffic import PENDING
from wire import pb

NUMBER = 64  # its ids are of client NUMBER + shard
PACE_S = 0.03  # from one request to the next
BEHIND_S = 1.0  # the backlog that it keeps after answers that were late
PATIENCE_S = 8.0  # the books promise an answer earlier
HOLD_S = 1
FUNDS = 1000
NO_ANSWER = "no answer"


class Bystander:
    def __init__(self, shard, seed, over_s, history, folder, endpoints):
        self.shard, self.over_s, self.endpoints = shard, over_s, endpoints
        self.random = random.Random(f"bystander {shard} {seed}")
        self.keys = wire.Keys(folder / "keys/operator.key", folder / "keys/broker.pub")
        self.history = open(history, "w", encoding="ascii")
        self.accounts = places.bystanders(shard)
        self.broker = shard % len(endpoints)
        self.socket = None
        self.sequence = 0
        self.step, self.step_at, self.funds = self.look, 0, 0

    def run(self):
        due = time.monotonic()
        while not select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
            self.due = due
            if time.monotonic() >= self.step_at:
                self.step()
            elif self.random.random() < 0.3:
                self.read(self.accounts[:2])
            else:
                self.pay(*self.random.sample(self.accounts[:2], 2), self.random.randint(1, 1000))
            due = max(due + PACE_S, time.monotonic() - BEHIND_S)
        self.history.close()

    # ------------------------------------------------------------------------------------- one request

    def ask(self, service, **operation):
        """The reply, or None; and what is written down of it."""
        if not self.socket:
            self.socket = wire.Client(self.endpoints[self.broker], self.keys)
        began, reply = time.monotonic_ns(), None
        try:
            reply = self.socket.call(service, PATIENCE_S, **operation)
            answer = wire.status_name(reply.status)
        except wire.NoAnswer:
            answer = NO_ANSWER
            self.socket.close()
            self.socket = None
            self.broker = (self.broker + 1) % len(self.endpoints)
        return (reply if answer == "ok" else None), {
            "shard": self.shard, "due": int(self.due * 1e9), "began": began, "ended": time.monotonic_ns(),
            "answer": answer}

    def write(self, record, **more):
        self.history.write(json.dumps({**record, **more}) + "\n")

    def pay(self, debit, credit, amount, flags=0, timeout=0):
        self.sequence += 1
        number = ((NUMBER + self.shard + 1) << 64 | self.sequence << places.SLOT_BITS) + self.shard
        reply, record = self.ask("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=[wire.transfer(number, debit, credit, amount, flags=flags, timeout=timeout)]))
        verdict = "unknown"
        if reply:
            record["answer"] = wire.result_name(reply.create_transfers.results[0].result)
            if record["answer"] != "risk_unavailable":
                verdict = "applied" if record["answer"] == "created" else "refused"
        self.write(record, op="pay", units=[
            {"transfers": [[number, debit, credit, amount, flags, 0, timeout]], "verdict": verdict}])
        return verdict == "applied"

    def read(self, accounts):
        reply, record = self.ask("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[wire.id_bytes(number) for number in accounts]))
        found = reply.lookup_accounts.accounts if reply else []
        balances = [[wire.id_number(a.id), [a.debits_pending, a.debits_posted, a.credits_pending,
                                            a.credits_posted]] for a in found]
        if reply and len(balances) != len(accounts):
            record["answer"] = "not found"
        self.write(record, op="read", balances=balances)
        return dict(balances)

    # ------------------------------------ what was held is there for the next transfer when its time is up

    def look(self):
        bounded = self.accounts[2]
        if balances := self.read([bounded]).get(bounded):
            self.funds = balances[3] - balances[1] - balances[0]
            self.step = self.hold if self.funds else self.fund

    def fund(self):
        if self.pay(self.accounts[0], self.accounts[2], FUNDS):
            self.step = self.look

    def hold(self):
        """All of it."""
        held = self.pay(self.accounts[2], self.accounts[1], self.funds, PENDING, HOLD_S)
        self.step, self.step_at = self.spend if held else self.look, time.monotonic() + self.over_s

    def spend(self):
        self.pay(self.accounts[2], self.accounts[0], self.funds)
        self.step = self.look


if __name__ == "__main__":
    Bystander(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4], pathlib.Path(sys.argv[5]),
              sys.argv[6:]).run()
