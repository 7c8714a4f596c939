"""The objectives of prometheus/slo.yaml, held against requests as their clients saw them.

A request that was made to fail (`provoked`, and not ok) is judged by none of them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from loadtest.rows import Row

FILE = Path(__file__).parents[1] / "prometheus/slo.yaml"
ERRORS = "error_share"


class ObjectivesError(ValueError):
    """The file of thresholds lacks an objective, or has none that requests can be held to."""


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


Objectives: TypeAlias = tuple[Objective, ...]


def read(path: Path = FILE) -> Objectives:
    """The objectives that a client can judge; raises ObjectivesError naming file and key."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ObjectivesError(f"{path}: {error}") from error
    thresholds = content.get("thresholds") if isinstance(content, dict) else None
    if not isinstance(thresholds, dict):
        raise ObjectivesError(f"{path}: thresholds: no mapping")
    every = [_duration_objective(path, thresholds, name) for name in MEASURED]
    where = f"{path}: thresholds.{ERRORS}"
    errors = _number(where, _entry(where, thresholds.get(ERRORS), "ratio"), "value", 1)
    return (*every, Objective(ERRORS, 1 - Fraction(str(errors)), None))


def _duration_objective(path: Path, thresholds: Mapping[str, Any], name: str) -> Objective:
    where = f"{path}: thresholds.{name}"
    entry = _entry(where, thresholds.get(name), "s")
    share = _number(where, entry, "objective", 1)
    return Objective(name, Fraction(str(share)), _number(where, entry, "value", math.inf))


def _entry(where: str, entry: Any, unit: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise ObjectivesError(f"{where}: no mapping")
    for key, wanted in {"unit": unit, "good": "below"}.items():
        if entry.get(key) != wanted:
            raise ObjectivesError(f"{where}.{key}: {entry.get(key)!r}, and not {wanted!r}")
    return entry


def _number(where: str, entry: Mapping[str, Any], key: str, most: float) -> float:
    value = entry.get(key)
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if 0 < number <= most and number != math.inf:
        return number
    raise ObjectivesError(f"{where}.{key}: {value!r} is no number above 0 and up to {most:g}")


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


def hold(objectives: Iterable[Objective], rows: Iterable[Row]) -> bool:
    """True where no objective is missed on the rows, and one of them could judge any."""
    met = [judgement.met for judgement in judgements(objectives, rows)]
    return False not in met and True in met
