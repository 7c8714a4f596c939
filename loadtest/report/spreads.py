"""How values are spread: quantiles by nearest rank, each of them a value that was measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from loadtest.ranks import at_rank


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


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of the values; None where there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    mean = math.fsum(ordered) / len(ordered)
    p50, p90, p95, p99 = (at_rank(ordered, percent) for percent in (50, 90, 95, 99))
    return Spread(len(ordered), mean, p50, p90, p95, p99, ordered[-1])
