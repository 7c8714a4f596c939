"""Whether the load was the one that was intended: its rate, its delays, what was never sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.report.spreads import Spread, spread
from loadtest.rows import Row, Stage


@dataclass(frozen=True)
class Pace:
    """One stage's intended visits beside those begun; `delay` in seconds after each was due.

    `sent` counts visits, by their first requests: no arrival asked for their later ones.
    """

    stage: Stage
    sent: int
    delay: Spread | None

    @property
    def achieved(self) -> float | None:
        """Visits begun per second of the stage; None for a stage without length."""
        return self.sent / self.stage.seconds if self.stage.seconds > 0 else None

    @property
    def lost(self) -> int:
        """How many were due and not dropped, and have no line all the same."""
        return max(self.stage.intended - self.stage.dropped - self.sent, 0)


def of_stage(stage: Stage, rows: Iterable[Row]) -> list[Row]:
    """The rows that were due in the stage."""
    chosen = (stage.phase, stage.number)
    return [row for row in rows if (row.benchmark_phase, row.stage) == chosen]


def paces(stages: Iterable[Stage], rows: Sequence[Row]) -> tuple[Pace, ...]:
    """The pace of every stage, whatever its phase."""
    firsts = [row for row in rows if not row.turn_index]
    own = ((stage, of_stage(stage, firsts)) for stage in stages)
    return tuple(
        Pace(stage, len(mine), spread(row.schedule_delay_seconds for row in mine))
        for stage, mine in own
    )
