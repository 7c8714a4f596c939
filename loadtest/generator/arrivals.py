"""When requests are due: seeded arrivals of an open loop, the same whoever sends them.

Every process draws the whole sequence and sends its own part of it, every n-th: the rate is one,
and neither the number of processes nor a slow server changes when anything is due.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.generator.settings import Settings

BURSTS = 0.25
"""Shape of the gamma distribution: gaps vary twice as much as Poisson's."""

Gaps = Callable[[float, random.Random], Iterator[float]]


def _constant(rate: float, _: random.Random) -> Iterator[float]:
    while True:
        yield 1 / rate


def _poisson(rate: float, dice: random.Random) -> Iterator[float]:
    while True:
        yield dice.expovariate(rate)


def _gamma(rate: float, dice: random.Random) -> Iterator[float]:
    while True:
        yield dice.gammavariate(BURSTS, 1 / (rate * BURSTS))


ARRIVALS: dict[str, Gaps] = {"constant": _constant, "poisson": _poisson, "gamma": _gamma}
"""Every kind of arrivals that is drawn."""
REPLAY = "replay"
"""Those that stand in a file."""


def offsets(kind: str, rate: float, seconds: float, dice: random.Random) -> Iterator[float]:
    """Seconds after the stage's begin at which a visit is due, ascending, below `seconds`."""
    return _until(seconds, ARRIVALS[kind](rate, dice))


def replayed(path: Path, begin: float, seconds: float) -> Iterator[float]:
    """The same of a stage that begins so many seconds after the run did, of a replay's file."""
    return (due - begin for due in recorded(path) if begin <= due < begin + seconds)


def _until(seconds: float, gaps: Iterator[float]) -> Iterator[float]:
    due = 0.0
    for gap in gaps:
        due += gap
        if due >= seconds:
            return
        yield due


def recorded(path: Path) -> list[float]:
    """The seconds of a file, one a line, ascending; raises ValueError naming the file."""
    try:
        found = [float(line) for line in path.read_text(encoding="utf-8").split()]
    except ValueError as error:
        raise ValueError(f"REPLAY: {path}: a line is no number of seconds") from error
    if any(due < 0 for due in found):
        raise ValueError(f"REPLAY: {path}: seconds are never below 0")
    return sorted(found)


def of_stage(settings: "Settings", stage: Mapping[str, Any]) -> Iterator[float]:
    """Seconds after a stage's begin at which its visits are due, as the conductor announced it."""
    if settings.plan is not None:
        return (each.due for each in settings.plan.requests)
    if settings.replay is not None:
        return replayed(settings.replay, stage["offset"], stage["seconds"])
    dice = random.Random(f"{settings.seed}/{stage['number']}")
    return offsets(settings.arrivals, stage["rate"], stage["seconds"], dice)


def mine(every: Iterator[float], index: int, count: int) -> Iterator[tuple[int, float]]:
    """The part of one process, each with its place in the whole sequence."""
    return islice(enumerate(every), index, None, count)
