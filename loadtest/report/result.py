"""Everything that the report says, before it is a page or JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from grafana.pictures.stores import Stores
from loadtest.objectives import Objective
from loadtest.report.course import Bin, course
from loadtest.report.figures import Figures, elapsed, figures
from loadtest.report.machine import Machine
from loadtest.report.pace import Pace, of_stage, paces
from loadtest.report.reconciled import Reconciliation, costs_of
from loadtest.report.spreads import Spread, spread
from loadtest.report.witnesses import Seen
from loadtest.report.worst import Ranking, ranking
from loadtest.rows import MAIN, Row, Run, Stage

NOTHING = f"no request of the phase {MAIN} has a line: there is nothing to judge"


@dataclass(frozen=True)
class StageResult:
    """A stage of the phase MAIN and what it showed."""

    stage: Stage
    figures: Figures


@dataclass(frozen=True)
class Result:
    """A run, what it showed, and whether that can be believed (`invalid_because` is empty)."""

    run: Run
    invalid_because: tuple[str, ...]
    whole: Figures
    delay: Spread | None
    stages: tuple[StageResult, ...]
    paces: tuple[Pace, ...]
    course: tuple[Bin, ...]
    worst: Ranking
    exact: bool
    contradicted: bool
    findings: tuple[str, ...]
    seen: Seen
    machine: Machine

    @property
    def status(self) -> int:
        """The exit status: 1 where the figures cannot be believed, else 0."""
        return int(bool(self.invalid_because) or not self.exact)


@dataclass(frozen=True)
class Sources:
    """Whom the report believes beside the client: objectives, the server's signals, the stores."""

    objectives: tuple[Objective, ...]
    reconciliation: Reconciliation
    seen: Seen
    stores: Stores | None
    machine: Machine


def _unread(run: Run, rows: Sequence[Row], main: Sequence[Row]) -> Iterator[str]:
    if len(rows) != run.lines:
        yield f"{len(rows):,} of {run.lines:,} lines can be read"
    if not main:
        yield NOTHING


def result(run: Run, rows: Sequence[Row], sources: Sources) -> Result:
    """Judge the run by its rows of the phase MAIN."""
    objectives, costs = sources.objectives, costs_of(sources.reconciliation)
    main = [row for row in rows if row.benchmark_phase == MAIN]
    stages = [stage for stage in run.stages if stage.phase == MAIN]

    def of(mine: Sequence[Row], own: Sequence[Stage]) -> Figures:
        return figures(mine, elapsed(mine, own), objectives, costs)

    return Result(
        run=run,
        invalid_because=tuple(chain(run.invalid_because, _unread(run, rows, main))),
        whole=of(main, stages),
        delay=spread(row.schedule_delay_seconds for row in main),
        stages=tuple(StageResult(stage, of(of_stage(stage, main), [stage])) for stage in stages),
        paces=paces(run.stages, rows),
        course=course(main, stages, objectives, costs),
        worst=ranking(main, sources.stores),
        exact=sources.reconciliation.exact,
        contradicted=sources.reconciliation.contradicted,
        findings=sources.reconciliation.lines,
        seen=sources.seen,
        machine=sources.machine,
    )
