"""Heavy readers: they repeat lists of everything, statements, dry runs of 8,190 and trial balances, and
look at nothing. A program of its own: what they cost is the cluster's, and not that of other clients.

usage: readers.py COUNT CLUSTER_FOLDER ENDPOINT...     until its input ends; prints what was answered"""
import collections
import contextlib
import json
import pathlib
import subprocess
import sys
import time

import zmq

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system")]

PAGE_MAX = 8190
BALANCE_S = 1.0  # between two trial balances
PATIENCE_S = 10
STOP_S = 20


@contextlib.contextmanager
def reading(victims, fault):
    readers = subprocess.Popen(
        [sys.executable, __file__, str(fault.number), victims.dir, *victims.endpoints()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield
    output, _ = readers.communicate(timeout=STOP_S)
    if readers.returncode:
        raise RuntimeError(f"the readers ended with {readers.returncode}")
    for what, count in json.loads(output).items():
        victims.tally[f"heavy {what}"] += count


KINDS = {"readers": reading}


class Reader:
    """One request at a time, sent again when it is answered or nobody answers."""

    def __init__(self, wire, endpoint, keys, pause_s, what, service, operation):
        self.wire, self.what, self.service, self.operation = wire, what, service, operation
        self.client = wire.Client(endpoint, keys)
        self.socket = self.client.socket
        self.pause_s = pause_s
        self.asks_at = time.monotonic()
        self.gives_up_at = 0

    def ask(self, now):
        if now >= self.asks_at:
            self.client.submit(self.service, **self.operation)
            self.asks_at, self.gives_up_at = float("inf"), now + PATIENCE_S
        elif self.asks_at == float("inf") and now >= self.gives_up_at:
            self.asks_at = now

    def take(self, now):
        """Whether it was an answer, by its first bytes: a reply may be large."""
        _, body = self.client.receive()
        self.asks_at = now + self.pause_s
        return self.wire.pb.Reply.FromString(body[0]).status == self.wire.pb.STATUS_OK


def operations(wire):
    pb = wire.pb
    everything = pb.ListTransfersRequest(filter=pb.Filter(code=1, limit=PAGE_MAX))
    nothing = pb.ListTransfersRequest(filter=pb.Filter(code=9, limit=PAGE_MAX))  # passes over all
    statement = pb.StatementRequest(account_id=wire.id_bytes(1), limit=PAGE_MAX)
    dry_run = pb.CreateTransfersRequest(dry_run=True, transfers=[
        wire.transfer((99 << 64) + n, 1 + n % 20, 2 + n % 20, 1) for n in range(PAGE_MAX)])
    return [(0, "lists", "transactions", {"list_transfers": everything}),
            (0, "lists of nothing", "transactions", {"list_transfers": nothing}),
            (0, "statements", "accounts", {"statement": statement}),
            (0, "dry runs", "transactions", {"create_transfers": dry_run}),
            (BALANCE_S, "trial balances", "accounts", {"trial_balance": pb.TrialBalanceRequest()})]


def main(count, folder, *endpoints):
    import wire  # compiles the messages: not for whoever only starts this program
    folder = pathlib.Path(folder)
    keys = wire.Keys(folder / "keys/operator.key", folder / "keys/broker.pub")
    kinds = operations(wire)
    readers = [Reader(wire, endpoints[n % len(endpoints)], keys, *kinds[n % len(kinds)])
               for n in range(int(count))]
    poller = zmq.Poller()
    by_socket = {reader.socket: reader for reader in readers}
    for socket in (*by_socket, sys.stdin):
        poller.register(socket, zmq.POLLIN)
    answered = collections.Counter()
    while True:
        now = time.monotonic()
        for reader in readers:
            reader.ask(now)
        for socket, _ in poller.poll(100):
            if socket not in by_socket:
                print(json.dumps(answered))
                return
            reader = by_socket[socket]
            answered[reader.what if reader.take(time.monotonic()) else f"{reader.what} refused"] += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
