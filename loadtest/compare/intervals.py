"""Intervals of what two sides differ by, which know that a run's requests are no lots of their own.

Requests that were served in the same seconds shared a batch and a machine: a noisy neighbour slows
hundreds of them. Drawn one by one (`scipy.stats.bootstrap`) they pass for hundreds of witnesses,
and the interval is several times too narrow. So whole stretches of time are drawn, as in a block
bootstrap (Künsch 1989, doi:10.1214/aos/1176347265), the same ones of both runs where both were
asked the same; and the interval is widened for their small number (the expanded percentile
interval of Hesterberg 2014, arXiv:1411.5279). What differs from run to run no single run can show:
of three runs a side the runs are the lots, as in Kalibera and Jones, "Rigorous Benchmarking in
Reasonable Time" (ISMM 2013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev, variance

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
DRAWS = 2000
SEED = 20261128
FEWEST_RUNS = 3
_NORMAL = NormalDist()
# Student's t, the 97.5 % quantile by degrees of freedom from 1; it falls towards 1.96.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """A difference (of logarithms, or of shares): what was found, and what it may be at 95 %."""

    found: float
    low: float
    high: float


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, for so many degrees of freedom, rounded down."""
    return _T[min(max(int(freedom), 1), len(_T)) - 1]


@cache
def draws(blocks: int, other: int = 0) -> Array:
    """How often each block is in each of DRAWS samples of as many blocks; `other` draws others.

    The same every time, so that a comparison made twice says the same.
    """
    dice = np.random.default_rng([SEED, other])
    return dice.multinomial(blocks, np.full(blocks, 1 / blocks), DRAWS).astype(np.float64)


def drawn(found: float, samples: Array, blocks: int) -> Interval:
    """The expanded percentile interval about `found`; endless where a sample has no figure."""
    if np.isnan(samples).any():
        return Interval(found, -math.inf, math.inf)
    wide = math.sqrt(blocks / (blocks - 1)) * student(blocks - 1)
    tail = _NORMAL.cdf(-wide)
    low, high = np.quantile(samples, [tail, 1 - tail], method="nearest")
    return Interval(found, min(float(low), found), max(float(high), found))


def repeated(ours: Sequence[float], theirs: Sequence[float], in_turns: bool) -> Interval:
    """How much more `theirs` are than `ours`, a value a run; at least FEWEST_RUNS a side.

    Runs that took turns shared the machine's moods with their neighbours: then their differences
    are looked at, else the two sides (Welch).
    """
    if in_turns:
        each = [there - here for here, there in zip(ours, theirs, strict=True)]
        found, half = fmean(each), student(len(each) - 1) * stdev(each) / math.sqrt(len(each))
        return Interval(found, found - half, found + half)
    shares = [variance(side) / len(side) for side in (ours, theirs)]
    found, spread = fmean(theirs) - fmean(ours), sum(shares)
    less = sum(s**2 / (len(side) - 1) for s, side in zip(shares, (ours, theirs), strict=True))
    half = student(spread**2 / less) * math.sqrt(spread) if less else 0.0
    return Interval(found, found - half, found + half)
