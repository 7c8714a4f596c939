"""The objectives of prometheus/slo.yaml, held against requests as their clients saw them.

A request that was made to fail (`provoked`, and not ok) is judged by none of them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from loadtest.rows import Row
from server.catalogue import slo

ERRORS = "error_share"


def _duration(row: Row) -> tuple[float, ...]:
    return (row.seconds if row.outcome == "ok" else math.inf,)


def _first_token(row: Row) -> tuple[float, ...]:
    if row.ttft_seconds is not None:
        return (row.ttft_seconds,)
    return (math.inf,) if row.stream and row.outcome != "ok" else ()


def _per_token(row: Row) -> tuple[float, ...]:
    # Of an answer that came in one chunk there is no time to share among its tokens.
    return (row.tpot_seconds,) if row.tpot_seconds is not None and row.gaps_seconds else ()


def _gaps(row: Row) -> tuple[float, ...]:
    return row.gaps_seconds


MEASURED: Mapping[str, Callable[[Row], tuple[float, ...]]] = {
    "request_duration": _duration,
    "time_to_first_token": _first_token,
    "time_per_output_token": _per_token,
    "inter_token_latency": _gaps,
}
"""The seconds of a row that each objective judges; infinite for what failed before it came."""


@dataclass(frozen=True)
class Objective:
    """At least `share` of all values should be at most `limit` seconds, or just be good ends."""

    name: str
    share: Fraction
    limit: float | None

    def count(self, row: Row) -> tuple[int, int]:
        """How many values of the row are good, and how many it has."""
        if self.limit is None:
            return int(row.outcome == "ok"), 1
        values = MEASURED[self.name](row)
        return sum(value <= self.limit for value in values), len(values)


@dataclass(frozen=True)
class Judgement:
    """An objective held against rows: exact counts of what was good and of what was counted."""

    objective: Objective
    good: int
    counted: int

    @property
    def share(self) -> float | None:
        """The good share; None where nothing was counted."""
        return self.good / self.counted if self.counted else None

    @property
    def met(self) -> bool | None:
        """True when enough was good; None where nothing was counted."""
        return self.good >= self.objective.share * self.counted if self.counted else None


def read(repo: Path = slo.REPO) -> tuple[Objective, ...]:
    """The objectives that a client can judge; raises KeyError where the file lacks one."""
    known = {threshold.name: threshold for threshold in slo.read(repo)}
    found = [
        Objective(name, Fraction(str(known[name].objective)), known[name].value)
        for name in MEASURED
    ]
    return (*found, Objective(ERRORS, 1 - Fraction(str(known[ERRORS].value)), None))


def is_judged(row: Row) -> bool:
    """True unless the load itself asked for this failure."""
    return row.outcome == "ok" or not row.provoked


def judgements(objectives: Iterable[Objective], rows: Iterable[Row]) -> tuple[Judgement, ...]:
    """Each objective's verdict on the rows that are judged."""
    judged = [row for row in rows if is_judged(row)]
    return tuple(_judgement(objective, judged) for objective in objectives)


def _judgement(objective: Objective, judged: Iterable[Row]) -> Judgement:
    counts = [objective.count(row) for row in judged]
    return Judgement(objective, sum(good for good, _ in counts), sum(each for _, each in counts))


def is_good(objectives: Iterable[Objective], row: Row) -> bool:
    """True for an answer inside every objective; of its gaps the objective's share must be."""
    if row.outcome != "ok":
        return False
    counts = ((objective, *objective.count(row)) for objective in objectives)
    return all(good >= objective.share * counted for objective, good, counted in counts)
