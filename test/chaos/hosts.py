"""The cluster that is broken: its processes on hosts of their own."""
import collections
import ctypes
import os

import clocks
import cluster
import faults
import schedule
from places import SHARDS

BROKERS, WORKERS = 2, 2
CLONE_NEWNET = 0x40000000


class HostsCluster(cluster.Cluster):
    """Brokers and shards on a host each, two hosts of workers; on one host without a network. `tally`
    counts what was done to it."""

    def __init__(self, bin_folder, folder, wire_program, seed):
        super().__init__(bin_folder, SHARDS, {pool: WORKERS for pool in schedule.POOLS}, BROKERS)
        self.folder = folder
        self.tally = collections.Counter()
        self.clocks = None
        self.network = None
        parts = [f"broker-{n + 1}" for n in range(BROKERS)] + [f"shard-{n}" for n in range(SHARDS)]
        try:
            self.network = faults.Network(wire_program, [*parts, "workers-1", "workers-2", "clients"], seed)
            self.move_to("clients")
        except OSError as error:
            print(f"no network faults: {error}")

    def move_to(self, host):
        with open(self.network.places[host][1], encoding="ascii") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def hosts(self):
        return self.network.hosts if self.network else []

    def host_of(self, name):
        part, number = name.rsplit("-", 1)
        return f"workers-{number}" if part in schedule.POOLS else name

    def processes(self):
        counts = {"broker": BROKERS, **self.pools}
        names = [f"{part}-{n + 1}" for part, count in counts.items() for n in range(count)]
        return names + [f"shard-{n}" for n in range(SHARDS)]

    def create(self):
        options = []
        if self.network:
            hosts = self.folder / "hosts"
            hosts.write_text("".join("{} {} {}\n".format(name, *self.network.places[self.host_of(name)])
                                     for name in self.processes()))
            options = ["--hosts", hosts]
        super().create(*options)

    def set_clocks(self):
        """From now on, what is started has a clock that can be set."""
        self.clocks = clocks.Clocks(self.processes(), self.bin)
        self.bin = self.clocks.bin
        os.environ["FLORIN_PG_BIN"] = str(self.clocks.postgres)

    def endpoints(self):
        lines = (self.dir / "client.zpl").read_text().splitlines()
        return [line.split('"')[1] for line in lines if line.split()[:2] == ["broker", "="]]

    def endpoint(self, workers=False, broker=1):
        assert not workers
        return self.endpoints()[broker - 1]

    def is_up(self, name):
        return cluster.alive(self.pid(name))

    def leave(self):
        if self.network:
            self.network.close()
        if self.clocks:
            self.clocks.close()
