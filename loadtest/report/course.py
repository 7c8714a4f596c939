"""The figures over time, each request in the bin of the time when it was due."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.objectives import Objective
from loadtest.report.figures import Figures, figures
from loadtest.report.reconciled import Costs
from loadtest.rows import Row, Stage

MOST = 40
_WIDTHS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True)
class Bin:
    """The figures of what was due in a stretch that begins `at` seconds after the first stage."""

    at: float
    figures: Figures


def width(seconds: float) -> float:
    """The bins' width in seconds: at most MOST of them."""
    return next((each for each in _WIDTHS if seconds <= each * MOST), seconds / MOST)


def course(
    rows: Sequence[Row],
    stages: Sequence[Stage],
    objectives: Sequence[Objective],
    costs: Costs,
) -> tuple[Bin, ...]:
    """The bins from the first stage's begin to the last one's end, or what is due later."""
    if not stages:
        return ()
    begun = min(stage.begun_ns for stage in stages)
    seconds = max((stage.begun_ns - begun) / 1e9 + stage.seconds for stage in stages)
    wide = width(seconds)
    due: dict[int, list[Row]] = {}
    for row in rows:
        due.setdefault(int((row.intended_start_ns - begun) / 1e9 // wide), []).append(row)
    # A conversation's later turn may be due when its stage is over.
    seconds = max([seconds, *((n + 1) * wide for n in due if n * wide >= seconds)])
    bins = itertools.takewhile(lambda n: n * wide < seconds, itertools.count())
    return tuple(
        Bin(n * wide, figures(due.get(n, []), min(wide, seconds - n * wide), objectives, costs))
        for n in bins
    )
