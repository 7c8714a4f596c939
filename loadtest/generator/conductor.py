"""Leads a run, in one process: announces stages to all, collects their rows, says how it goes."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import gevent

from loadtest.generator import arrivals, counters, validity
from loadtest.generator.progress import Progress
from loadtest.generator.settings import Settings
from loadtest.generator.shapes import SHAPES, Step, Steps
from loadtest.generator.validity import Heard
from loadtest.generator.worker import Clock
from loadtest.objectives import Objectives, hold
from loadtest.rows import MAIN, REQUESTS, RUN, Row, Run, Stage, read_row, to_json

HEAD_START_NS = 1_500_000_000
"""How long before its begin a stage is announced: time to reach every process."""
PROGRESS_SECONDS, LOOK_SECONDS = 3.0, 0.1
SETTLE_SECONDS, TRAVEL_SECONDS = 30.0, 3.0
TURNS = 4
"""The most requests that a visit has, one after the other."""


class Runner(Protocol):
    """What of Locust's runner is used."""

    def send_message(self, msg_type: str, data: Any = None) -> None:
        """Send it to every worker, or to this process where there are none."""


class Conductor:
    """Leads one run; `say` prints a line. Raises FileExistsError over another run's rows."""

    def __init__(
        self,
        settings: Settings,
        runner: Runner,
        model: str,
        objectives: Objectives,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._runner = runner
        self._model = model
        self._objectives = objectives
        self._say = say
        self._heard = Heard(settings.processes)
        self._step: list[Row] = []
        self._settled: Counter[int] = Counter()
        self._progress = Progress()
        self._held: list[tuple[float, bool]] = []
        self._undecided: list[str] = []
        self._clock = Clock.now()
        self._before: dict[str, float] | None = None
        self._started_ns = 0
        settings.folder.mkdir(parents=True, exist_ok=True)
        self._file = (settings.folder / REQUESTS).open("x", encoding="utf-8")

    @property
    def unexpected(self) -> int:
        """How many requests ended as nobody asked them to."""
        return self._progress.unexpected

    def take_rows(self, lines: list[str]) -> None:
        """Take rows of a worker; those that come after the end are left out."""
        if self._file.closed:
            return
        for line in lines:
            self._file.write(f"{line}\n")
            self._take(read_row(line))
        self._file.flush()

    def _take(self, row: Row) -> None:
        self._progress.take(row)
        if SHAPES[self._settings.shape].asks:
            self._step.append(row)
        # The file has every gap; a long run's would fill the memory.
        self._heard.rows.append(replace(row, gaps_seconds=()))

    def take_part(self, number: int, intended: int, dropped: int) -> None:
        """A worker has begun all that it had to begin in a stage."""
        found = self._heard.stages[number]
        self._heard.stages[number] = replace(
            found, intended=found.intended + intended, dropped=found.dropped + dropped
        )
        self._heard.parts[number] += 1

    def take_settled(self, number: int) -> None:
        """All visits that a worker began in a stage are over, and their rows are here."""
        self._settled[number] += 1

    def take_finish(self, told: dict[str, Any]) -> None:
        """A worker has nothing left."""
        self._heard.finished.append(told)

    def run(self) -> Run:
        """Lead the run from its first stage to its last row; what it was is on disk then."""
        self._before, self._started_ns = self._look(), time.monotonic_ns()
        # Whoever is killed cannot say so at the end.
        self._leave(self._result(None, ["it has not ended"]))
        teller = gevent.spawn(self._tell)
        try:
            self._run_stages()
            self._finish()
        finally:
            teller.kill()
        return self._write(self._quiet(), self._faults())

    def abandon(self) -> Run | None:
        """Leave what there is of a run that is ended before its time; None where it is over."""
        if not self._started_ns or self._file.closed:
            return None
        return self._write(None, ["ended before its time", *self._faults()])

    def _faults(self) -> list[str]:
        return [*self._undecided, *validity.faults(self._heard)]

    def _write(self, after: dict[str, float] | None, faults: list[str]) -> Run:
        run = self._result(after, faults)
        self._leave(run)
        self._file.close()
        return run

    def _leave(self, run: Run) -> None:
        (self._settings.folder / RUN).write_text(to_json(run), encoding="utf-8")

    def _look(self) -> dict[str, float] | None:
        return counters.read(self._settings.metrics_url)

    def _run_stages(self) -> None:
        shape = SHAPES[self._settings.shape](self._settings.rate, self._settings.duration)
        steps, begun_ns = shape.steps(), time.monotonic_ns() + HEAD_START_NS
        step: Step | None = next(steps)
        while step is not None:
            self._announce(step, begun_ns)
            begun_ns += round(step.seconds * 1e9)
            # One that asks nobody is announced before the last one ends.
            self._sleep_until(begun_ns - (0 if shape.asks else HEAD_START_NS))
            held = self._judge(step) if shape.asks else True
            if shape.asks:
                begun_ns = time.monotonic_ns() + HEAD_START_NS
            step = None if held is None else _following(steps, held)

    def _announce(self, step: Step, begun_ns: int) -> None:
        stages = self._heard.stages
        number, offset = len(stages), sum(each.seconds for each in stages)
        stage = {
            "number": number,
            "phase": step.phase,
            "rate": step.rate,
            "begun_ns": begun_ns,
            "seconds": step.seconds,
            "offset": offset,
            "model": self._model,
            "ahead_ns": self._clock.ahead_ns,
        }
        due = self._heard.due[number] = sum(1 for _ in arrivals.of_stage(self._settings, stage))
        settings = self._settings
        is_drawn = settings.replay is None and settings.plan is None
        rate = step.rate if is_drawn else due / step.seconds
        begun = self._clock.unix(begun_ns)
        self._heard.stages.append(Stage(number, step.phase, rate, begun, step.seconds))
        self._runner.send_message("stage", stage)

    def _sleep_until(self, moment_ns: int) -> None:
        while (left := (moment_ns - time.monotonic_ns()) / 1e9) > 0:
            gevent.sleep(min(left, LOOK_SECONDS))

    def _judge(self, step: Step) -> bool | None:
        """Whether the step's rate holds; None where that cannot be told, which ends the search."""
        number = self._heard.stages[-1].number
        ended = self._hear_all(lambda: self._settled[number])
        rows, self._step = self._step, []
        if ended and step.phase != MAIN:
            return True
        if doubt := validity.doubt(rows) if ended else "its visits do not end":
            self._undecided.append(f"whether {step.rate:.2f} visits/s hold is not known: {doubt}")
            return None
        held = not self._heard.stages[-1].dropped and hold(self._objectives, rows)
        self._held.append((step.rate, held))
        self._say(f"{step.rate:.2f} visits/s: objectives {'hold' if held else 'break'}")
        return held

    def _finish(self) -> None:
        self._runner.send_message("finish", {})
        self._hear_all(lambda: len(self._heard.finished))

    def _hear_all(self, processes: Callable[[], int]) -> bool:
        """Wait until all have said it; False where one did not in the time of the longest visit."""
        # The last visit may have begun a moment ago, and is over after its last turn.
        until = time.monotonic() + TURNS * self._settings.patience + TRAVEL_SECONDS
        while processes() < self._settings.processes:
            if time.monotonic() > until:
                return False
            gevent.sleep(LOOK_SECONDS)
        return True

    def _result(self, after: dict[str, float] | None, faults: list[str]) -> Run:
        settings = self._settings
        return Run(
            run_id=settings.run_id,
            command=settings.command,
            shape=settings.shape,
            rate=settings.rate,
            seed=settings.seed,
            url=settings.url,
            model=self._model,
            processes=settings.processes,
            started_ns=self._clock.unix(self._started_ns),
            ended_ns=self._clock.unix(time.monotonic_ns()),
            lines=len(self._heard.rows),
            stages=tuple(self._heard.stages),
            invalid_because=tuple(faults),
            held=tuple(self._held),
            before=self._before,
            after=after,
        )

    def _quiet(self) -> dict[str, float] | None:
        until, found = time.monotonic() + SETTLE_SECONDS, None
        while time.monotonic() < until:
            found = self._look()
            if found is not None and counters.in_flight(found) == 0:
                break
            gevent.sleep(1.0)
        return found

    def _tell(self) -> None:
        while True:
            gevent.sleep(PROGRESS_SECONDS)
            if stages := self._heard.stages:
                self._say(self._progress.line(stages, self._clock.unix(time.monotonic_ns())))


def _following(steps: Steps, held: bool) -> Step | None:
    try:
        return steps.send(held)
    except StopIteration:
        return None
