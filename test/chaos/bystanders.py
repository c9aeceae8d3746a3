"""What bystanders felt of each class of faults, and whether it was too much.

The promise: while one thing is wrong, whoever does not need it goes on as in peace, and whoever needs it
gets an answer in time. Peace is the time of the same run in which no fault was on."""
import collections
import math
import subprocess
import sys

import bystander
import checker
import places
import schedule

AFTERMATH_NS = 2 * 10**9  # after its end, a fault's effects are still its own
P99_OF_PEACE_MAX = 3
P99_MS_MIN = 50  # no p99 below is too high: two busy cores do that by themselves
SAMPLES_MIN = 200  # for a p99 to mean something
STOP_S = 30
LATE_S = 0.2  # from a hold's end until its money is there again, at most
CLOCKS_S = 2.5  # between two clocks that are right: each by a quarter of store/clock_bound_ms
GOOD = {"ok", "created", "exists"}
PEACE = "peace"

# Whose shard is away, or locked as a whole, needs it.
NEEDED = {"stop shard", "kill shard", "table-lock", "holds"}


class Bystanders:
    """One for each shard."""

    def __init__(self, victims, folder, seed):
        self.paths = [folder / f"bystander-{shard}.jsonl" for shard in range(places.SHARDS)]
        over_s = bystander.HOLD_S + LATE_S + (CLOCKS_S if victims.clocks else 0)
        self.processes = [subprocess.Popen([
            sys.executable, bystander.__file__, str(shard), str(seed), str(over_s), path, victims.dir,
            *victims.endpoints()], stdin=subprocess.PIPE) for shard, path in enumerate(self.paths)]

    def end(self):
        """What each of them did, as the clients' history has it."""
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            if process.wait(STOP_S):
                raise RuntimeError(f"a bystander ended with {process.returncode}")
        return [record for path in self.paths for record in checker.load(path)]


def labels(record, spans):
    """The rows of the table that a request belongs to: none, when it may have been anybody's trouble."""
    on = [fault for fault, began, ended in spans
          if began <= record["ended"] and record["due"] <= ended + AFTERMATH_NS]
    if not on:
        return [PEACE]
    if not all(fault.name() in schedule.SOLO for fault in on):
        return []
    here = [fault.shard() == record["shard"] for fault in on]
    needed = [there and fault.name() in NEEDED for fault, there in zip(on, here)]
    if any(needed):
        return [f"{on[0].name()}, needed"] if len(on) == 1 else []
    return [fault.name() + (", same shard" if there else "") for fault, there in zip(on, here)]


def by_label(records, spans):
    """(latency in ms, operation, answer) of each request, by label."""
    spans = collections.deque(sorted(spans, key=lambda span: span[1]))
    rows, near = collections.defaultdict(list), []
    for record in sorted(records, key=lambda record: record["due"]):
        while spans and spans[0][1] <= record["due"] + PATIENCE_NS:
            near.append(spans.popleft())
        near = [span for span in near if record["due"] <= span[2] + AFTERMATH_NS]
        for label in labels(record, near):
            rows[label].append(((record["ended"] - record["due"]) / 1e6, record["op"], record["answer"]))
    return rows


# More than any request can take.
PATIENCE_NS = int(2e9 * bystander.PATIENCE_S)


def quantile(latencies, part):
    """The smallest that so many of them do not exceed."""
    return sorted(latencies)[max(0, math.ceil(part * len(latencies)) - 1)]


def refusals(row):
    return collections.Counter(f"{op}: {answer}" for _, op, answer in row if answer not in GOOD)


def table(rows):
    yield f"{'bystanders':28}{'requests':>9}{'refusals':>9}{'p50':>9}{'p99':>9}{'max':>9}  ms"
    for label in sorted(rows, key=lambda label: (label != PEACE, label)):
        latencies = [latency for latency, _, _ in rows[label]]
        figures = (quantile(latencies, 0.5), quantile(latencies, 0.99), max(latencies))
        yield (f"{label:28}{len(latencies):9,}{sum(refusals(rows[label]).values()):9,}"
               + "".join(f"{figure:9.1f}" for figure in figures))


def judge(rows, p99=True):
    """Findings, in words; without `p99` of refusals and answers alone."""
    p99s = {label: quantile([latency for latency, _, _ in row], 0.99) for label, row in rows.items()
            if p99 and len(row) >= SAMPLES_MIN}
    for label, row in sorted(rows.items()):
        refused = refusals(row)
        if label.endswith(", needed"):
            if mute := sum(answer == bystander.NO_ANSWER for _, _, answer in row):
                yield (f"{label}: {mute} of {len(row)} requests had no answer within"
                       f" {bystander.PATIENCE_S:.0f} s")
            continue
        if refused:
            yield f"bystanders, {label}: {refused.total()} of {len(row)} refused: {dict(refused)}"
        if PEACE in p99s and label in p99s:
            most = max(P99_OF_PEACE_MAX * p99s[PEACE], P99_MS_MIN)
            if p99s[label] > most:
                late = collections.Counter(op for latency, op, _ in row if latency >= p99s[label])
                yield (f"bystanders, {label}: p99 is {p99s[label]:.1f} ms, in peace {p99s[PEACE]:.1f}; "
                       f"at most {most:.1f}; beyond it: {dict(late)}")
