"""Whether two runs can be held against each other: valid both, and asked the same."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from loadtest.rows import MAIN, Row, Run

SAME_VISITS = 0.95
"""Of two runs of one seed, so many visits are the same: a few may have no line."""
_ASKED = ("shape", "rate", "seed", "model", "processes")


def faults(run: Run, rows: Sequence[Row]) -> Iterator[str]:
    """Why the figures of a run are not the server's."""
    yield from (f"{run.run_id} is invalid: {reason}" for reason in run.invalid_because)
    if len(rows) != run.lines:
        yield f"of {run.run_id} {len(rows):,} of {run.lines:,} lines can be read"


def differences(ours: Run, theirs: Run) -> Iterator[str]:
    """What the two were asked that is not the same."""
    names = f"{ours.run_id} and {theirs.run_id}"
    if ours.run_id == theirs.run_id:
        yield f"{ours.run_id} is one run: it would be held against itself"
    for asked in _ASKED:
        here, there = getattr(ours, asked), getattr(theirs, asked)
        if here != there:
            yield f"{names} differ in their {asked}: {here}, {there}"
    steps, others = (
        [(each.phase, each.rate, round(each.seconds, 1)) for each in run.stages]
        for run in (ours, theirs)
    )
    if steps != others:
        yield f"{names} differ in their stages: {_told(steps)}; {_told(others)}"


def _told(steps: list[tuple[str, float, float]]) -> str:
    return (
        ", ".join(f"{phase} {rate:g}/s {seconds:g} s" for phase, rate, seconds in steps) or "none"
    )


def same_visits(ours: tuple[Run, Sequence[Row]], theirs: tuple[Run, Sequence[Row]]) -> float:
    """The share of visits that both had, at one moment and of one kind and tenant."""
    here, there = _visits(*ours), _visits(*theirs)
    most = max(here.total(), there.total())
    return (here & there).total() / most if most else 0.0


def _visits(run: Run, rows: Sequence[Row]) -> Counter[tuple[int, str, str]]:
    begun = {(each.phase, each.number): each.begun_ns for each in run.stages}
    return Counter(
        (round((row.intended_start_ns - begun[MAIN, row.stage]) / 1e6), row.kind, row.tenant)
        for row in rows
        if not row.turn_index and (row.benchmark_phase, row.stage) in begun
        if row.benchmark_phase == MAIN
    )


def in_turns(ours: Sequence[Run], theirs: Sequence[Run]) -> bool:
    """True where the runs took turns, one of each side after the other, as they are given."""
    if len(ours) != len(theirs):
        return False
    every = [*((run.started_ns, 0) for run in ours), *((run.started_ns, 1) for run in theirs)]
    sides = [side for _, side in sorted(every)]
    ordered = [pair for runs in (ours, theirs) for pair in pairwise(runs)]
    given = all(before.started_ns < after.started_ns for before, after in ordered)
    return given and all(sides[n] != sides[n + 1] for n in range(0, len(sides), 2))
