"""Faults that are made in a shard's database, as another program or a person might make them."""
import contextlib
import subprocess
import threading
import time

import cluster
import places
from faults import stopped

ANSWER_S = 30  # for psql to answer
RETRIES = 20  # of what gives way to others' locks
HOLD_S = 2  # then thousands end together
HELD_S = 40  # for a victim to have an open hold, whatever else is broken


class Session:
    """psql on a shard, by its socket: no fault of the network ends what was begun here."""

    END = "-- end --"

    def __init__(self, victims, shard):
        socket = (victims.dir / "pg/sock").resolve()
        self.psql = subprocess.Popen(
            ["psql", "-XqAt", f"host={socket} port={5432 + shard} user=florin dbname=florin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.psql.stdin.close()
        self.psql.stdout.close()
        self.psql.wait(10)

    def send(self, *statements):
        for statement in statements:
            self.psql.stdin.write(f"{statement};\n")

    def run(self, *statements):
        """The lines of the answers; an error is one of them, and raised."""
        self.send(*statements)
        lines = self.answers()
        if errors := [line for line in lines if "ERROR:" in line]:
            raise RuntimeError("\n".join(errors))
        return lines

    def answers(self):
        self.psql.stdin.write(f"\\echo {self.END}\n")
        lines = []
        too_long = threading.Timer(ANSWER_S, self.psql.kill)
        too_long.start()
        for line in self.psql.stdout:
            if line == f"{self.END}\n":
                break
            lines.append(line.rstrip("\n"))
        else:
            lines.append(f"ERROR: psql ended, or did not answer for {ANSWER_S} s")
        too_long.cancel()
        return lines

    def run_giving_way(self, *statements):
        """What takes a strong lock for a moment: never in a queue ahead of others for long."""
        for left in reversed(range(RETRIES)):
            try:
                return self.run("set lock_timeout = '200ms'", *statements)
            except RuntimeError:
                if not left:
                    raise


def _uuid(number):
    return f"'{cluster.uuid(number)}'"


@contextlib.contextmanager
def snapshot_held(victims, fault):
    """As a backup or a report holds one."""
    with Session(victims, fault.shard()) as session:
        session.run("begin isolation level repeatable read", "select * from shard_identity")
        yield
        session.run("commit")


@contextlib.contextmanager
def table_locked(victims, fault):
    """As ALTER TABLE does it; and what an operator tries meanwhile queues behind it."""
    shard = fault.shard()
    table, mode = fault.lock
    with (Session(victims, shard) as holder, Session(victims, shard) as other,
          Session(victims, shard) as index):
        holder.run("begin", f"lock table {table} in {mode} mode")
        other.send(f"vacuum {table}")
        index.send(f"create index chaos_index on {table} (id) where false")
        yield
        holder.run("commit")
        other.run()
        index.run()
        index.run_giving_way("drop index chaos_index")


@contextlib.contextmanager
def row_held_by_prepared(victims, fault):
    name = f"'other-app-{fault.at}'"
    with Session(victims, fault.shard()) as session:
        session.run("begin", f"update accounts set code = code where id = {_uuid(fault.number)}",
                    f"prepare transaction {name}")
        yield
        session.run(f"rollback prepared {name}")


@contextlib.contextmanager
def prepared_used_up(victims, fault):
    """Each free slot, and those that become free."""
    with Session(victims, fault.shard()) as session:
        slots = int(session.run("show max_prepared_transactions")[0])
        names = left = [f"'other-app-{fault.at}-{n}'" for n in range(slots)]
        for _ in range(RETRIES):
            for name in left:
                session.send("begin", "select from shard_identity", f"prepare transaction {name}")
            session.answers()  # some say that there is no room
            there = session.run("select quote_literal(gid) from pg_prepared_xacts")
            left = [name for name in names if name not in there]
        try:
            if left:
                raise RuntimeError(f"{len(left)} of {len(names)} slots are not taken")
            yield
        finally:
            session.run(*[f"rollback prepared {name}" for name in names if name in there])


@contextlib.contextmanager
def row_gone(victims, fault):
    """An account's row with an open hold that ends meanwhile; put back as it was."""
    account = _uuid(places.victims(fault.shard())[0])
    with Session(victims, fault.shard()) as session:
        cluster.wait_for("an open hold of the account set aside", lambda: session.run(
            "select id from pending_transfers where status = 1 and expires_at is not null"
            f" and debit_account_id = {account} limit 1"), HELD_S)
        session.run("create temp table gone as select * from accounts where false",
                    f"with gone as (delete from accounts where id = {account} returning *)"
                    " insert into gone select * from gone")
        yield
        session.run("insert into accounts select * from gone")


@contextlib.contextmanager
def row_kept(victims, fault):
    """A trigger that suppresses every UPDATE of an account."""
    account = _uuid(places.victims(fault.shard())[0])
    with Session(victims, fault.shard()) as session:
        session.run("create or replace function chaos_kept() returns trigger language plpgsql as"
                    " $$ begin return null; end $$")
        session.run_giving_way("create trigger chaos_kept before update on accounts for each row"
                               f" when (old.id = {account}) execute function chaos_kept()")
        yield
        session.run_giving_way("drop trigger chaos_kept on accounts")
        session.run("drop function chaos_kept")


@contextlib.contextmanager
def holds_ending(victims, fault):
    """Thousands of holds end while the shard of those who would have been paid is mute."""
    shard = fault.shard()
    payer = (shard + 1) % places.SHARDS
    victims.holders[payer].hold(fault.number, places.holder(payer), places.holder(shard), HOLD_S)
    victims.tally["holds that ended together"] += fault.number
    with stopped(victims, fault.target[0]):
        yield


KINDS = {"snapshot": snapshot_held, "table-lock": table_locked, "foreign-row": row_held_by_prepared,
         "prepared-full": prepared_used_up, "row-gone": row_gone, "row-kept": row_kept,
         "holds": holds_ending}
