"""Latencies of two sides, quantile beside quantile, each with the interval that it lies in.

An interval is of order statistics: whatever the distribution, the quantile of what the values are
drawn from lies between these two measured ones 95 times in a hundred. That takes values for
independent: requests of one moment are not, and noise that lasts makes the interval too narrow.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtest.ranks import at_rank

QUANTILES = (50, 95, 99)
OUTSIDE = 0.025
"""The chance that is left on either side of an interval."""


@dataclass(frozen=True)
class Quantile:
    """A measured quantile; `low` and `high` are None where there are too few values to tell."""

    value: float
    low: float | None
    high: float | None


def quantile(ordered: Sequence[float], percent: int) -> Quantile:
    """The quantile of values in ascending order, of which there is one at least."""
    low, high = _ranks(len(ordered), percent / 100)
    return Quantile(
        at_rank(ordered, percent),
        ordered[low - 1] if low else None,
        ordered[high - 1] if high else None,
    )


def _ranks(count: int, share: float) -> tuple[int, int]:
    """The ranks of both ends, 0 where there is none."""
    below, low, high = 0.0, 0, 0
    for smaller in range(count):
        # So many values are below the true quantile with this chance.
        below += _chance(count, smaller, share)
        if below <= OUTSIDE:
            low = smaller + 1
        if below >= 1 - OUTSIDE:
            high = smaller + 1
            break
    return low, high


def _chance(count: int, smaller: int, share: float) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(smaller + 1) - math.lgamma(count - smaller + 1)
    return math.exp(ways + smaller * math.log(share) + (count - smaller) * math.log1p(-share))


Latencies = Mapping[str, Sequence[float]]
"""Values in seconds, by what they measure."""


def rows(recorded: Latencies, replayed: Latencies) -> Iterator[tuple[str, Quantile, Quantile]]:
    """Each quantile of both sides, where both have values."""
    for name, values in recorded.items():
        one, other = sorted(values), sorted(replayed.get(name, ()))
        for percent in QUANTILES if one and other else ():
            yield f"{name} p{percent}", quantile(one, percent), quantile(other, percent)


def table(recorded: Latencies, replayed: Latencies) -> Iterator[str]:
    """Lines of both sides in milliseconds, with their intervals, and how many times as long."""
    yield f"{'ms':<14}{'recorded':>28}{'replayed':>28}{'ratio':>8}"
    for name, one, other in rows(recorded, replayed):
        ratio = f"{other.value / one.value:.2f}" if one.value else "-"
        yield f"{name:<14}{_shown(one):>28}{_shown(other):>28}{ratio:>8}"


def _shown(each: Quantile) -> str:
    return f"{_ms(each.value)} [{_ms(each.low)}, {_ms(each.high)}]"


def _ms(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds * 1000:.1f}"
