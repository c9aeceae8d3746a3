"""Clients that touch nothing broken: their accounts are on one shard, of nobody else, and of no fault.
One asks at each moment that is due, whether the others are answered or not, and writes down the answer,
when it was due, and when it was there. A program of its own, so that no other client's work counts as its
wait.

usage: bystander.py SHARD SEED OVER_S HISTORY CLUSTER_FOLDER ENDPOINT...     until its input ends

A hold of a second is over OVER_S after the answer to it, or earlier."""
import dataclasses
import json
import pathlib
import random
import sys
import time
import typing

import zmq

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import places
import wire
from traffic import PENDING
from wire import pb

NUMBER = 64  # its ids are of client NUMBER + shard
PACE_S = 0.03  # from one request to the next
PATIENCE_S = 8.0  # the books promise an answer earlier
HOLD_S = 1
FUNDS = 1000
NO_ANSWER = "no answer"


@dataclasses.dataclass
class Asked:
    client: wire.Client  # of this request alone until it is answered: a broker's refusal names no request
    broker: int
    request_id: bytes
    record: dict
    take: typing.Callable  # of the reply, or None


class Bystander:
    def __init__(self, shard, seed, over_s, history, folder, endpoints):
        self.shard, self.over_s, self.endpoints = shard, over_s, endpoints
        self.random = random.Random(f"bystander {shard} {seed}")
        self.keys = wire.Keys(folder / "keys/operator.key", folder / "keys/broker.pub")
        self.history = open(history, "w", encoding="ascii")
        self.accounts = places.bystanders(shard)
        self.broker = shard % len(endpoints)
        self.idle = [[] for _ in endpoints]  # connections
        self.asked = {}  # by socket, in the order asked
        self.poller = zmq.Poller()
        self.sequence = 0
        self.step, self.step_at, self.funds = self.look, 0, 0

    def run(self):
        self.poller.register(sys.stdin, zmq.POLLIN)
        self.due, ending = time.monotonic(), False
        while not ending or self.asked:
            if not ending and time.monotonic() >= self.due:
                self.begin()
                self.due += PACE_S
            left = PATIENCE_S if ending else self.due - time.monotonic()
            for socket, _ in self.poller.poll(max(0, left) * 1000):
                if socket in self.asked:
                    self.hear(socket)
                else:
                    ending = True
                    self.poller.unregister(sys.stdin)
            self.give_up()
        self.history.close()

    def begin(self):
        if self.step and time.monotonic() >= self.step_at:
            step, self.step = self.step, None  # until it is answered
            step()
        elif self.random.random() < 0.3:
            self.read(self.accounts[:2])
        else:
            self.pay(*self.random.sample(self.accounts[:2], 2), self.random.randint(1, 1000))

    # ------------------------------------------------------------------------------------- one request

    def ask(self, take, service, operation, **record):
        idle = self.idle[self.broker]
        client = idle.pop() if idle else wire.Client(self.endpoints[self.broker], self.keys)
        record.update(shard=self.shard, due=int(self.due * 1e9), began=time.monotonic_ns())
        request_id = client.submit(service, **operation)
        self.asked[client.socket] = Asked(client, self.broker, request_id, record, take)
        self.poller.register(client.socket, zmq.POLLIN)

    def hear(self, socket):
        asked = self.asked[socket]
        reply = asked.client.reply()
        if reply.request_id in (asked.request_id, b""):
            self.answered(socket, reply, wire.status_name(reply.status))
            self.idle[asked.broker].append(asked.client)

    def give_up(self):
        """After a request that nobody answered, others go to the next broker."""
        while self.asked:
            socket, asked = next(iter(self.asked.items()))
            if time.monotonic_ns() - asked.record["began"] < PATIENCE_S * 1e9:
                return
            self.answered(socket, None, NO_ANSWER)
            asked.client.close()
            self.broker = (asked.broker + 1) % len(self.endpoints)

    def answered(self, socket, reply, answer):
        self.poller.unregister(socket)
        asked = self.asked.pop(socket)
        asked.record.update(ended=time.monotonic_ns(), answer=answer)
        asked.take(reply if answer == "ok" else None, asked.record)
        self.history.write(json.dumps(asked.record) + "\n")

    def pay(self, debit, credit, amount, flags=0, timeout=0, then=lambda _: None):
        self.sequence += 1
        number = ((NUMBER + self.shard + 1) << 64 | self.sequence << places.SLOT_BITS) + self.shard
        unit = {"transfers": [[number, debit, credit, amount, flags, 0, timeout]], "verdict": "unknown"}

        def take(reply, record):
            if reply:
                answer = record["answer"] = wire.result_name(reply.create_transfers.results[0].result)
                if answer != "risk_unavailable":  # `exists`: a worker died over it, and another one ended it
                    unit["verdict"] = "applied" if answer in ("created", "exists") else "refused"
            then(unit["verdict"] == "applied")

        self.ask(take, "transactions", {"create_transfers": pb.CreateTransfersRequest(
            transfers=[wire.transfer(number, debit, credit, amount, flags=flags, timeout=timeout)])},
                 op="pay", units=[unit])

    def read(self, accounts, then=lambda _: None):
        def take(reply, record):
            found = reply.lookup_accounts.accounts if reply else []
            record["balances"] = [[wire.id_number(a.id), [
                a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted]] for a in found]
            if reply and len(found) != len(accounts):
                record["answer"] = "not found"
            then(dict(record["balances"]))

        self.ask(take, "accounts", {"lookup_accounts": pb.LookupAccountsRequest(
            ids=[wire.id_bytes(number) for number in accounts])}, op="read")

    # ------------------------------------ what was held is there for the next transfer when its time is up

    def look(self):
        bounded = self.accounts[2]

        def then(balances):
            debits_pending, debits, _, credits = balances.get(bounded, (0, 0, 0, 0))
            self.funds = credits - debits - debits_pending
            self.step = self.hold if self.funds else self.fund if balances else self.look

        self.read([bounded], then)

    def fund(self):
        self.pay(self.accounts[0], self.accounts[2], FUNDS, then=self.look_next)

    def hold(self):
        """All of it."""
        def then(held):
            self.step, self.step_at = self.spend if held else self.look, time.monotonic() + self.over_s

        self.pay(self.accounts[2], self.accounts[1], self.funds, PENDING, HOLD_S, then)

    def spend(self):
        self.pay(self.accounts[2], self.accounts[0], self.funds, then=self.look_next)

    def look_next(self, _paid):
        self.step = self.look


if __name__ == "__main__":
    Bystander(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4], pathlib.Path(sys.argv[5]),
              sys.argv[6:]).run()
