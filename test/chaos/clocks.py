"""Clocks that are wrong: libfaketime in each worker and in one shard's server, told what to say by a
file for each process."""
import contextlib
import glob
import os
import pathlib
import shutil
import tempfile
import threading

import schedule

DRIFT_S = 0.5  # between two steps of a clock that drifts
SERVER = f"shard-{schedule.CLOCK_SERVER}"

START = """#!/bin/bash
{find_name}
if [ -f "{clocks}/$name" ]; then
    export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={clocks}/$name FAKETIME_CACHE_DURATION=1
    export FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
    export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 # the clock comes ahead of it
fi
exec {program} "$@"
"""
WORKER_NAME = 'for word; do [ "$before" != --instance ] || name=$word; before=$word; done'
SERVER_NAME = "name=shard-$((${!#} - 5432))  # the last argument is the port"


def library():
    for path in glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"):
        return path
    raise OSError("they take the package faketime")


def postgres_folder():
    """Where ops/cluster finds the servers' programs, too."""
    found = [*glob.glob("/usr/lib/postgresql/*/bin"), *glob.glob("/usr/pgsql-*/bin")]
    folders = [os.environ.get("FLORIN_PG_BIN", ""), *sorted(found, reverse=True)]
    return next(pathlib.Path(folder) for folder in folders if os.path.exists(f"{folder}/initdb"))


class Clocks:
    """Has `bin` and `pg` in its folder: programs that start the real ones, with a clock that can be set
    while they run."""

    def __init__(self, processes, bin_folder):
        self.library = library()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="florin-clocks-"))
        self.folder.chmod(0o711)  # a server's user comes in
        self.bin, self.postgres = self.folder / "bin", self.folder / "pg"
        self.bin.mkdir()
        self.postgres.mkdir()
        for name in processes:
            if name == SERVER or name.rsplit("-", 1)[0] in schedule.POOLS:
                self.set(name, 0)
        for program in bin_folder.iterdir():
            if program.name.removeprefix("florin-") in schedule.POOLS:
                self._start(self.bin / program.name, program, WORKER_NAME)
            else:
                (self.bin / program.name).symlink_to(program)
        postgres = postgres_folder()
        (self.postgres / "initdb").symlink_to(postgres / "initdb")
        self._start(self.postgres / "postgres", postgres / "postgres", SERVER_NAME)

    def close(self):
        shutil.rmtree(self.folder)

    def _start(self, path, program, find_name):
        path.write_text(START.format(find_name=find_name, clocks=self.folder, library=self.library,
                                     program=program))
        path.chmod(0o755)

    def set(self, name, seconds):
        """Within a second, the process's clock is that much ahead."""
        new = self.folder / f"{name}.new"
        new.write_text(f"{seconds:+.3f}\n")
        os.replace(new, self.folder / name)


@contextlib.contextmanager
def clock_stepped(victims, fault):
    name = fault.target[0]
    victims.clocks.set(name, fault.number)
    yield
    victims.clocks.set(name, 0)


@contextlib.contextmanager
def clock_drifting(victims, fault):
    name, ending = fault.target[0], threading.Event()

    def drift():
        seconds = 0
        while not ending.wait(DRIFT_S):
            seconds += fault.number / 1000 * DRIFT_S
            victims.clocks.set(name, seconds)

    thread = threading.Thread(target=drift, daemon=True)
    thread.start()
    yield
    ending.set()
    thread.join()
    victims.clocks.set(name, 0)


KINDS = {"clock-step": clock_stepped, "clock-server": clock_stepped, "clock-drift": clock_drifting}
