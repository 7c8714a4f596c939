"""How a run goes, in a line: what it costs to tell does not grow with the run."""

import statistics
import sys
from collections import deque
from collections.abc import Sequence

from loadtest.rows import Row, Stage

SHOWN = 1000
"""Of how many of the newest first tokens the median is told."""


class Progress:
    """Counts rows: `ended`, and those of them that are `unexpected`."""

    def __init__(self) -> None:
        self.ended = self.unexpected = 0
        self._firsts: deque[float] = deque(maxlen=SHOWN)

    def take(self, row: Row) -> None:
        """Count a row."""
        self.ended += 1
        self.unexpected += not row.provoked
        if row.ttft_seconds is not None:
            self._firsts.append(row.ttft_seconds)

    def line(self, stages: Sequence[Stage], now_ns: int) -> str:
        """The line at Unix nanoseconds, of one stage at least."""
        begun = [stage for stage in stages if stage.begun_ns <= now_ns]
        stage = (begun or stages)[-1]
        gone = max(0.0, (now_ns - stage.begun_ns) / 1e9)
        ttft = f", TTFT p50 {statistics.median(self._firsts):.3f} s" if self._firsts else ""
        return (
            f"stage {stage.number} {stage.phase} {stage.rate:.2f}/s"
            f" {gone:.0f} of {stage.seconds:.0f} s:"
            f" {self.ended} ended, {self.unexpected} unexpected{ttft}"
        )


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stdout, flush=True)
