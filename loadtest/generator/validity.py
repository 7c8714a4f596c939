"""Whether a run's figures are the server's: each reason why they may be the generator's instead."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from loadtest.objectives import is_judged
from loadtest.ranks import at_rank
from loadtest.rows import MAIN, Row, Stage

LATE_SECONDS = 0.1
"""The generator was the bottleneck where p99 of its delay, or of its own stalls, is above this."""
ACHIEVED = 0.95
"""... or where less than this share of what was due in a stage was begun in it."""
ENOUGH = 20
"""Judged requests without which a step says nothing of its rate."""
OWN_LIMIT = "the generator's own limit: "
"""How the ends begin that no server is to blame for: no file, port or name was left to it."""

ByStage: TypeAlias = Mapping[int, Sequence[Row]]


@dataclass
class Heard:
    """What the processes of the generator said: rows (their gaps left out), and how they ended.

    `due` is how many visits each stage has, `parts` how many processes have begun all of theirs.
    """

    processes: int
    rows: list[Row] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    due: dict[int, int] = field(default_factory=dict)
    parts: Counter[int] = field(default_factory=Counter)
    finished: list[Mapping[str, Any]] = field(default_factory=list)


def faults(heard: Heard) -> list[str]:
    """Every reason not to believe the run's figures, in words."""
    rows: dict[int, list[Row]] = defaultdict(list)
    for row in heard.rows:
        rows[row.stage].append(row)
    return [
        *_delays(heard, rows),
        *_processes(heard),
        *_own_limits(heard.rows),
        *_stages(heard, rows),
    ]


def delay(rows: Iterable[Row]) -> float:
    """p99 of how late requests were begun, seconds; 0 of none."""
    late = sorted(row.schedule_delay_seconds for row in rows)
    return at_rank(late, 99) if late else 0.0


def doubt(rows: Sequence[Row]) -> str:
    """Why a step's rows do not tell whether its rate holds; empty where they do."""
    judged = sum(is_judged(row) for row in rows)
    if judged < ENOUGH:
        return f"{judged} requests say nothing of it: raise DURATION"
    late = delay(rows)
    return f"the generator itself was late: p99 {late:.3f} s" if late > LATE_SECONDS else ""


def _delays(heard: Heard, rows: ByStage) -> Iterator[str]:
    if not heard.rows:
        yield "nothing was sent"
    for stage in heard.stages:
        late = delay(rows[stage.number])
        if stage.phase == MAIN and late > LATE_SECONDS:
            yield f"generator late in stage {stage.number}: p99 {late:.3f} s"


def _processes(heard: Heard) -> Iterator[str]:
    if len(heard.finished) < heard.processes:
        yield "a process of the generator did not say that it has finished"
    if any(each["cpu_warning"] for each in heard.finished):
        yield "Locust warned that a process of the generator used a whole core"
    stalled = max((each["stalled"] for each in heard.finished), default=0.0)
    if stalled > LATE_SECONDS:
        yield f"a process of the generator stood still: p99 {stalled:.3f} s"


def _own_limits(rows: Sequence[Row]) -> Iterator[str]:
    ends = Counter(row.ended_as for row in rows if row.ended_as.startswith(OWN_LIMIT))
    yield from (f"{count} requests: {end}" for end, count in ends.items())


def _stages(heard: Heard, rows: ByStage) -> Iterator[str]:
    if dropped := sum(stage.dropped for stage in heard.stages):
        yield f"{dropped} visits were never begun: too many in flight"
    for stage in heard.stages:
        yield from (f"stage {stage.number}: {fault}" for fault in _of_stage(heard, stage, rows))


def _of_stage(heard: Heard, stage: Stage, rows: ByStage) -> Iterator[str]:
    due = heard.due.get(stage.number, 0)
    if heard.parts[stage.number] < heard.processes or stage.intended != due:
        yield f"{stage.intended} of {due} visits were looked at"
    firsts = [row for row in rows[stage.number] if not row.turn_index]
    if len(firsts) != stage.intended - stage.dropped:
        yield f"{len(firsts)} of {stage.intended - stage.dropped} begun visits have a line"
    end = stage.begun_ns + round(1e9 * (stage.seconds + LATE_SECONDS))
    begun = sum(row.request_start_ns <= end for row in firsts)
    if begun < ACHIEVED * due:
        yield f"{begun} of {due} visits begun in time"
