"""Who lives where: the accounts of a run, by the shard that holds them."""

SHARDS = 3  # so that one server's clock, or one server, is outvoted
SLOT_BITS = 10

ACCOUNTS = range(1, 31)  # of the clients that meet every fault
BOUNDED = range(25, 31)  # whose debits must not exceed their credits
CODE, VICTIMS_CODE = 1, 2  # in the chart of accounts: without a row, the victims' sums are not equal


def home(account):
    return account % (1 << SLOT_BITS) % SHARDS


def _on_shard(shard, *bases):
    """The first account from each base on that lives on the shard."""
    return tuple(next(number for number in range(base, base + SHARDS) if home(number) == shard)
                 for base in bases)


def bystanders(shard):
    """Two that pay each other, and a bounded one; no fault is ever on them."""
    return _on_shard(shard, 100, 110, 120)


def victims(shard):
    """Set aside for faults of one row: that of the first one."""
    return _on_shard(shard, 130, 140)


def holder(shard):
    """Has thousands of holds, and is paid by thousands of another shard."""
    return _on_shard(shard, 150)[0]


def set_aside():
    """All of them."""
    return [number for shard in range(SHARDS)
            for number in (*bystanders(shard), *victims(shard), holder(shard))]


def bounded(number):
    return number in BOUNDED or number == bystanders(home(number))[2]


def code(number):
    return VICTIMS_CODE if number in victims(home(number)) else CODE
