"""Between workers and a PostgreSQL server: passes on what both say, and cuts a connection at the
round that a test names.

A round is what a worker sends up to its Sync; the server's ReadyForQuery answers it. A batch's
dialogue with a shard begins with the round that locks its accounts."""
import contextlib
import pathlib
import re
import select
import socket
import threading

BEFORE, HALF, AFTER = "before", "half", "after"
_LOCKS = b"accounts_lock\0"
_READY = b"Z\0\0\0\5"  # and a byte for the state of the transaction
_ENDS_ROUND = b"SQpX"  # Sync, Query, a password, Terminate


class Proxy:
    """Listens in a folder of its own on the port of the server whose connection string it is given;
    `conninfo` leads to it."""

    def __init__(self, folder, conninfo):
        host, port = re.match(r"host=(\S+) port=(\d+)", conninfo).groups()
        self.target = f"{host}/.s.PGSQL.{port}"
        self.conninfo = conninfo.replace(host, str(folder), 1)
        self.plan = None  # the round of a dialogue, and when in it to cut
        self.cuts = 0
        pathlib.Path(folder).mkdir(exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{folder}/.s.PGSQL.{port}")
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """No connection is taken any more; those that are there last until one side ends."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def cut(self, number, when):
        """At that round of the next dialogue, once: before the server gets any of it, when it has
        half of it, or after it has answered, of which the worker gets nothing."""
        self.cuts, self.plan = 0, (number, when)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                worker, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(worker,), daemon=True).start()

    def _serve(self, worker):
        with contextlib.suppress(OSError), worker, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.target)
            _Connection(self, worker, server).run()


class _Connection:
    def __init__(self, proxy, worker, server):
        self.proxy, self.worker, self.server = proxy, worker, server
        self.unsent, self.typed = b"", False  # the first message has no type
        self.number = 0  # of the round in its dialogue
        self.swallowed = None  # what the worker is not to get of the last answer

    def run(self):
        while True:
            ready, _, _ = select.select([self.worker, self.server], [], [])
            for end in ready:
                data = end.recv(65536)
                if not data or not (self.answer if end is self.server else self.ask)(data):
                    return

    def answer(self, data):
        if self.swallowed is None:
            self.worker.sendall(data)
            return True
        self.swallowed += data
        return self.swallowed[-6:-1] != _READY

    def ask(self, data):
        self.unsent += data
        while (length := self.round_length()):
            data, self.unsent, self.typed = self.unsent[:length], self.unsent[length:], True
            if not self.pass_on(data):
                return False
        return True

    def round_length(self):
        """Of the first round in what is unsent; 0 while it has not come whole."""
        at = 0
        while len(self.unsent) >= at + 5:
            kind = self.unsent[at:at + 1] if self.typed else b""
            start = at + len(kind)
            at = start + int.from_bytes(self.unsent[start:start + 4], "big")
            if not kind or kind in _ENDS_ROUND:
                return at if at <= len(self.unsent) else 0
        return 0

    def pass_on(self, data):
        self.number = 1 if _LOCKS in data else self.number + bool(self.number)
        cuts = self.proxy.plan is not None and self.proxy.plan[0] == self.number
        if not cuts:
            self.server.sendall(data)
            return True
        (_, when), self.proxy.plan = self.proxy.plan, None
        self.proxy.cuts += 1
        if when != BEFORE:
            self.server.sendall(data if when == AFTER else data[:len(data) // 2])
        self.swallowed = b""
        return when == AFTER
