"""How values are spread: quantiles by nearest rank, each of them a value that was measured."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

METHOD = "nearest rank: the least measured value that at least this share of all does not exceed"


@dataclass(frozen=True)
class Spread:
    """How many values there are, their mean, quantiles and largest, in the values' unit."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


def at_rank(ordered: Sequence[float], percent: int) -> float:
    """The quantile of values in ascending order, of which there is one at least."""
    # In whole numbers: 0.95 * 20 may be a little above 19, and the rank would be the next one.
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of the values; None where there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    mean = math.fsum(ordered) / len(ordered)
    p50, p90, p95, p99 = (at_rank(ordered, percent) for percent in (50, 90, 95, 99))
    return Spread(len(ordered), mean, p50, p90, p95, p99, ordered[-1])
