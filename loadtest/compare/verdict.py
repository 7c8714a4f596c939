"""What of two sides got worse, what did not, and what cannot be told."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from loadtest.compare.intervals import FEWEST_RUNS, Array, Interval, drawn, draws, repeated
from loadtest.compare.sample import BLOCK_SECONDS, Sample
from loadtest.ranks import at_rank

FEWEST_BLOCKS = 6
FEWEST = {50: 100, 99: 1000}
"""Requests that a quantile needs in each run: below, its interval says more than it knows."""
FEWEST_OF_SEVERAL = 30
"""The same of a median where the runs are the lots, and their own scatter says what it knows."""
SEEN = 4
"""A change of so many tolerances must be one that would be seen: else nothing is said of it."""


class Verdict(StrEnum):
    """What a change is called; only WORSE is one beyond the tolerance, for certain at 95 %."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    UNCLEAR = "no change shown"
    UNKNOWN = "not enough to say"


@dataclass(frozen=True)
class Metric:
    """A figure; `percent` its quantile, None for a quotient of sums.

    What is not `told` by a comparison leaves that undecided. `share`: the difference counts, since
    a quotient of two shares of errors means little.
    """

    label: str
    name: str
    unit: str
    percent: int | None = None
    more_is_worse: bool = True
    told: bool = False
    share: bool = False


WHOLE = "duration p50"
METRICS = (
    Metric("TTFT p50", "ttft", "ms", 50, told=True),
    Metric("TTFT p99", "ttft", "ms", 99),
    Metric("ITL p50", "itl", "ms", 50),
    Metric("ITL p99", "itl", "ms", 99),
    Metric("TPOT p50", "tpot", "ms", 50, told=True),
    Metric("TPOT p99", "tpot", "ms", 99),
    Metric(WHOLE, "duration", "ms", 50),
    Metric("duration p99", "duration", "ms", 99),
    Metric("output tokens", "tokens", "per s", more_is_worse=False, told=True),
    Metric("goodput", "goodput", "req/s", more_is_worse=False),
    Metric("errors", "errors", "share", told=True, share=True),
    Metric("cost per 1k out", "cost", "µ$"),
)


@dataclass(frozen=True)
class Change:
    """A figure of both sides and how it changed; `interval` of logarithms, or of shares."""

    metric: Metric
    ours: float | None
    theirs: float | None
    interval: Interval | None
    verdict: Verdict
    said: str = ""

    @property
    def undecided(self) -> bool:
        """True where the comparison has to tell this, and does not."""
        return self.metric.told and self.verdict is Verdict.UNKNOWN


Side: TypeAlias = Sequence[Sample]


@dataclass(frozen=True)
class Judge:
    """How the sides are held against each other.

    `paired`: all runs were asked the same at the same moments. `errors` is the tolerance of the
    share of errors, `tolerance` that of everything else.
    """

    tolerance: float
    errors: float
    paired: bool
    in_turns: bool

    def changes(self, ours: Side, theirs: Side) -> list[Change]:
        """Every figure that one of the sides has."""
        known = [m for m in METRICS if any(_has(each, m) for each in (*ours, *theirs))]
        if not any(metric.told and metric.percent for metric in known):
            # Nothing was streamed: then the whole answer's time is what there is.
            known = [replace(m, told=m.told or m.label == WHOLE) for m in known]
        return [self._change(metric, ours, theirs) for metric in known]

    def _change(self, metric: Metric, ours: Side, theirs: Side) -> Change:
        here, there = _figure(metric, ours), _figure(metric, theirs)
        if doubt := _doubt(metric, ours, theirs):
            return Change(metric, here, there, None, Verdict.UNKNOWN, doubt)
        interval = self._interval(metric, ours, theirs)
        if interval is None:
            return Change(metric, here, there, None, Verdict.UNKNOWN, "it is 0 on one side")
        verdict = self._verdict(metric, interval)
        said = self._needed(metric, interval, ours) if verdict is Verdict.UNKNOWN else ""
        return Change(metric, here, there, interval, verdict, said)

    def _interval(self, metric: Metric, ours: Side, theirs: Side) -> Interval | None:
        sides = [[_of(metric, each) for each in side] for side in (ours, theirs)]
        if not metric.share and not all(value > 0 for side in sides for value in side):
            return None
        scale = float if metric.share else math.log
        if min(len(ours), len(theirs)) >= FEWEST_RUNS:
            here, there = ([scale(value) for value in side] for side in sides)
            return repeated(here, there, self.in_turns)
        return self._within(metric, ours, theirs)

    def _within(self, metric: Metric, ours: Side, theirs: Side) -> Interval:
        blocks = min(each.blocks for each in (*ours, *theirs))
        paired = self.paired and len({each.blocks for each in (*ours, *theirs)}) == 1
        here, there = (
            # Runs that were asked the same lose and win the same stretches.
            _mean(metric, side, [0] * len(side) if paired else range(first, first + len(side)))
            for first, side in ((1, ours), (1 + len(ours), theirs))
        )
        return drawn(there[0] - here[0], there[1] - here[1], blocks)

    def _verdict(self, metric: Metric, interval: Interval) -> Verdict:
        allowed = self.errors if metric.share else math.log1p(self.tolerance)
        low, high = interval.low, interval.high
        if not metric.more_is_worse:
            low, high = -high, -low
        if low > allowed:
            return Verdict.WORSE
        if high < -allowed:
            return Verdict.BETTER
        if low >= -allowed and high <= allowed:
            return Verdict.SAME
        return Verdict.UNCLEAR if high <= self._seen(metric) else Verdict.UNKNOWN

    def _seen(self, metric: Metric) -> float:
        return SEEN * self.errors if metric.share else math.log1p(SEEN * self.tolerance)

    def _needed(self, metric: Metric, interval: Interval, ours: Side) -> str:
        half = (interval.high - interval.low) / 2
        if not math.isfinite(half):
            return "some stretches have none"
        times = max((half / (self._seen(metric) / 2)) ** 2, 1.5)
        if len(ours) >= FEWEST_RUNS:
            return f"about {math.ceil(times * len(ours)):,} runs a side would tell"
        return f"about {math.ceil(times * ours[0].requests):,} requests a run would tell"


def _has(sample: Sample, metric: Metric) -> bool:
    return metric.name in (sample.sums if metric.percent is None else sample.values)


def _of(metric: Metric, sample: Sample) -> float:
    if metric.percent is None:
        return sample.sums[metric.name].whole or 0.0
    return at_rank([*sample.values[metric.name].ordered], metric.percent)


def _figure(metric: Metric, side: Side) -> float | None:
    """The figure of a side: of several runs the one in the middle, or the mean of two."""
    found = [_of(metric, each) for each in side if _has(each, metric)]
    return float(np.median(found)) if found else None


def _doubt(metric: Metric, ours: Side, theirs: Side) -> str:
    every = [*ours, *theirs]
    if not all(_has(each, metric) for each in every):
        return "not every run has it"
    # Of the gaps of one request each says much the same.
    least, needed = min(_counted(metric, each) for each in every), FEWEST[metric.percent or 50]
    several = min(len(ours), len(theirs)) >= FEWEST_RUNS
    if several and metric.percent != 99:
        needed = FEWEST_OF_SEVERAL
    if least < needed:
        return f"it is of {least:,} requests and needs {needed:,}"
    if min(each.blocks for each in every) < FEWEST_BLOCKS and not several:
        return f"it is of less than {FEWEST_BLOCKS * BLOCK_SECONDS:.0f} s"
    return ""


def _counted(metric: Metric, sample: Sample) -> int:
    if metric.percent is None:
        return sample.requests
    return min(sample.requests, len(sample.values[metric.name].ordered))


def _mean(metric: Metric, side: Side, numbers: Sequence[int]) -> tuple[float, Array]:
    """A side's figure and samples of it, on the scale of the interval; the mean of its runs."""
    found: list[float] = []
    samples: list[Array] = []
    for sample, number in zip(side, numbers, strict=True):
        counts = draws(sample.blocks, number)
        one, many = _of(metric, sample), _samples(metric, sample, counts)
        if not metric.share:
            with np.errstate(divide="ignore"):
                one, many = math.log(one), np.log(many)
        found.append(one)
        samples.append(many)
    return sum(found) / len(found), np.mean(samples, axis=0)


def _samples(metric: Metric, sample: Sample, counts: Array) -> Array:
    if metric.percent is None:
        return sample.sums[metric.name].quotients(counts)
    return sample.values[metric.name].quantiles(metric.percent, counts)
