"""Majordomo (7/MDP, 8/MMI) as a client and a worker of any make speak it, and Florin's messages.

Written from the RFCs and proto/ alone: nothing of Florin's code is used, so that what passes here
is what others can rely on.
"""
import atexit
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import zmq

REPO = pathlib.Path(__file__).resolve().parents[2]

READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([n]) for n in range(1, 6))


def _messages():
    folder = tempfile.mkdtemp(prefix="florin-proto-")
    atexit.register(shutil.rmtree, folder, True)
    subprocess.run(["protoc", "-I", REPO / "proto", "--python_out", folder,
                    REPO / "proto/florin/v1/florin.proto"], check=True, timeout=30)
    sys.path.insert(0, folder)
    from florin.v1 import florin_pb2
    return florin_pb2


pb = _messages()

# What a client asks again after, with the same ids.
AGAIN = {pb.STATUS_BUSY, pb.STATUS_EXPIRED, pb.STATUS_UNAVAILABLE, pb.STATUS_NO_SERVICE}


def id_bytes(number):
    return number.to_bytes(16, "big") if number else b""


def id_number(data):
    return int.from_bytes(data, "big")


def result_name(number):
    """A transfer's result as the documents write it: exceeds_credits."""
    return pb.CreateTransferResult.Name(number)[len("CREATE_TRANSFER_RESULT_"):].lower()


def account_result_name(number):
    return pb.OpenAccountResult.Name(number)[len("OPEN_ACCOUNT_RESULT_"):].lower()


def limit_result_name(number):
    return pb.SetCreditLimitResult.Name(number)[len("SET_CREDIT_LIMIT_RESULT_"):].lower()


def status_name(number):
    return pb.Status.Name(number)[len("STATUS_"):].lower()


class Keys:
    """A client's or worker's key pair and the broker's public key, as key files hold them."""

    def __init__(self, own, broker_public):
        self.public = self._read(own, "public-key")
        self.secret = self._read(own, "secret-key")
        self.broker = self._read(broker_public, "public-key")

    @staticmethod
    def _read(path, name):
        text = pathlib.Path(path).read_text()
        return re.search(rf'{name}\s*=\s*"([^"]{{40}})"', text)[1].encode()

    def apply(self, socket):
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret
        socket.curve_serverkey = self.broker


class NoAnswer(Exception):
    """Nothing came within the time."""


class Client:
    """MDPC01 over a DEALER (any number of requests under way) or a REQ (one at a time)."""

    def __init__(self, endpoint, keys, kind=zmq.DEALER):
        self.kind = kind
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.linger = 0
        keys.apply(self.socket)
        self.socket.connect(endpoint)
        self.number = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, service, *body):
        empty = [b""] if self.kind == zmq.DEALER else []  # a REQ puts it there by itself
        self.socket.send_multipart(empty + [b"MDPC01", service.encode(), *body])

    def receive(self, seconds=15):
        """The service and the body's frames."""
        if not self.socket.poll(int(seconds * 1000)):
            raise NoAnswer(f"no answer within {seconds} s")
        frames = self.socket.recv_multipart()
        if self.kind == zmq.DEALER:
            assert frames.pop(0) == b"", "the return path is empty"
        assert frames[0] == b"MDPC01" and len(frames) >= 3, frames
        return frames[1].decode(), frames[2:]

    def submit(self, service, **operation):
        """Sends a Request and returns the id that its reply will carry."""
        self.number += 1
        request_id = self.number.to_bytes(8, "big")
        self.send(service, pb.Request(request_id=request_id, **operation).SerializeToString())
        return request_id

    def reply(self, seconds=15):
        _, body = self.receive(seconds)
        assert len(body) == 1
        return pb.Reply.FromString(body[0])

    def call(self, service, seconds=15, **operation):
        """A Request and its Reply; replies to earlier requests that were given up are skipped.

        What the broker itself refuses has no request id: it does not open bodies."""
        request_id = self.submit(service, **operation)
        deadline = time.monotonic() + seconds
        while True:
            reply = self.reply(max(0, deadline - time.monotonic()))
            if reply.request_id in (request_id, b""):
                return reply

    # What tests ask for most.

    def open_accounts(self, ids, ledger=978, code=1, flags=0, credit_limit=0):
        """Results by name, in order."""
        accounts = [pb.Account(id=id_bytes(i), ledger=ledger, code=code, flags=flags,
                               credit_limit=credit_limit) for i in ids]
        reply = self.call("accounts", open_accounts=pb.OpenAccountsRequest(accounts=accounts))
        assert reply.status == pb.STATUS_OK, reply
        return [account_result_name(r.result) for r in reply.open_accounts.results]

    def transfer(self, *transfers, seconds=15):
        reply = self.call("transactions", seconds,
                          create_transfers=pb.CreateTransfersRequest(transfers=transfers))
        assert reply.status == pb.STATUS_OK, reply
        return list(reply.create_transfers.results)

    def pay(self, transfer_id, debit, credit, amount, **fields):
        """One transfer's result by name."""
        return result_name(self.transfer(transfer(transfer_id, debit, credit, amount, **fields))[0]
                           .result)

    def balances(self, *ids):
        """Credits less debits of each account."""
        reply = self.call("accounts", lookup_accounts=pb.LookupAccountsRequest(
            ids=[id_bytes(i) for i in ids]))
        assert reply.status == pb.STATUS_OK, reply
        return {id_number(a.id): a.credits_posted - a.debits_posted
                for a in reply.lookup_accounts.accounts}


def transfer(transfer_id, debit, credit, amount, ledger=978, code=1, **fields):
    return pb.Transfer(id=id_bytes(transfer_id), debit_account_id=id_bytes(debit),
                       credit_account_id=id_bytes(credit), amount=amount, ledger=ledger, code=code,
                       **fields)


class Worker:
    """MDPW01 over a DEALER: one request at a time, as the RFC has it."""

    HEARTBEAT_S = 2.5
    LIVENESS = 3

    def __init__(self, endpoint, keys, service):
        self.endpoint, self.keys, self.service = endpoint, keys, service
        self.socket = None
        self.connect()

    def connect(self):
        self.close()
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 1000
        self.keys.apply(self.socket)
        self.socket.connect(self.endpoint)
        self.send(READY, self.service.encode())
        self.next_heartbeat = time.monotonic() + self.HEARTBEAT_S
        self.broker_dead_at = time.monotonic() + self.HEARTBEAT_S * self.LIVENESS

    def close(self):
        if self.socket:
            self.socket.close()

    def send(self, command, *frames):
        self.socket.send_multipart([b"", b"MDPW01", command, *frames])

    def request(self, seconds):
        """The next request's return address and body; None when the time is up."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if time.monotonic() >= self.next_heartbeat:
                self.send(HEARTBEAT)
                self.next_heartbeat = time.monotonic() + self.HEARTBEAT_S
            if self.socket.poll(int(min(left, 0.1) * 1000)):
                frames = self.socket.recv_multipart()
                self.broker_dead_at = time.monotonic() + self.HEARTBEAT_S * self.LIVENESS
                assert frames[:2] == [b"", b"MDPW01"], frames
                if frames[2] == REQUEST:
                    assert frames[4] == b"", frames
                    return frames[3], frames[5:]
                if frames[2] == DISCONNECT:
                    self.connect()
            elif time.monotonic() >= self.broker_dead_at:
                self.connect()
        return None

    def reply(self, address, body):
        self.send(REPLY, address, b"", *body)

    def disconnect(self):
        self.send(DISCONNECT)
        self.close()
