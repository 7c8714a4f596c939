"""Leads a run, in one process: announces stages to all, collects their rows, says how it goes."""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import gevent

from loadtest.generator import counters
from loadtest.generator.settings import Settings
from loadtest.generator.shapes import SHAPES, Step
from loadtest.generator.worker import Clock
from loadtest.objectives import Objectives, hold
from loadtest.ranks import at_rank
from loadtest.rows import MAIN, REQUESTS, RUN, Row, Run, Stage, read_row, to_json

HEAD_START_NS = 1_500_000_000
"""How long before its begin the first stage is announced: time to reach every process."""
PROGRESS_SECONDS, LOOK_SECONDS = 3.0, 0.1
SETTLE_SECONDS = 30.0
LATE_SECONDS = 0.1
"""The generator was the bottleneck where p99 of its delay is above this."""
ACHIEVED = 0.95
"""... or where less than this share of what was due in a stage was begun in it."""


class Runner(Protocol):
    """What of Locust's runner is used."""

    def send_message(self, msg_type: str, data: Any = None) -> None:
        """Send it to every worker, or to this process where there are none."""


class Conductor:
    """Of one run; `say` prints a line."""

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
        self._rows: list[Row] = []
        self._stages: list[Stage] = []
        self._parts: Counter[int] = Counter()
        self._finished: list[dict[str, Any]] = []
        self._clock = Clock.now()
        self._before: dict[str, float] | None = None
        self._started_ns = 0
        settings.folder.mkdir(parents=True, exist_ok=True)
        # Never over another run's: raises FileExistsError.
        self._file = (settings.folder / REQUESTS).open("x", encoding="utf-8")
        self._held: list[tuple[float, bool]] = []

    @property
    def unprovoked(self) -> int:
        """How many requests ended as nobody asked them to."""
        return sum(not row.provoked for row in self._rows)

    def take_rows(self, lines: list[str]) -> None:
        """Rows of a worker."""
        for line in lines:
            self._file.write(f"{line}\n")
            self._rows.append(read_row(line))
        self._file.flush()

    def take_part(self, number: int, intended: int, dropped: int) -> None:
        """A worker has begun all that it had to begin in a stage."""
        found = self._stages[number]
        self._stages[number] = replace(
            found, intended=found.intended + intended, dropped=found.dropped + dropped
        )
        self._parts[number] += 1

    def take_finish(self, told: dict[str, Any]) -> None:
        """A worker has nothing left."""
        self._finished.append(told)

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
        return self._write(self._settled(), self._faults())

    def abandon(self) -> Run | None:
        """Leave what there is of a run that is ended before its time; None where it is over."""
        if not self._started_ns or self._file.closed:
            return None
        return self._write(self._look(), ["ended before its time", *self._faults()])

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
        held: bool | None = None
        while True:
            try:
                # A generator that was not begun takes None only.
                step = next(steps) if held is None else steps.send(held)
            except StopIteration:
                return
            self._announce(step, begun_ns)
            begun_ns += round(step.seconds * 1e9)
            self._sleep_until(begun_ns)
            held = True
            if shape.asks:
                held = self._judge(step)
                begun_ns = time.monotonic_ns() + HEAD_START_NS

    def _announce(self, step: Step, begun_ns: int) -> None:
        number = len(self._stages)
        begun = self._clock.unix(begun_ns)
        self._stages.append(Stage(number, step.phase, step.rate, begun, step.seconds))
        offset = sum(each.seconds for each in self._stages[:-1])
        stage = {"number": number, "phase": step.phase, "rate": step.rate, "begun_ns": begun_ns}
        stage |= {"offset": offset}
        stage |= {"seconds": step.seconds, "model": self._model, "ahead_ns": self._clock.ahead_ns}
        self._runner.send_message("stage", stage)

    def _sleep_until(self, moment_ns: int) -> None:
        while (left := (moment_ns - time.monotonic_ns()) / 1e9) > 0:
            gevent.sleep(min(left, LOOK_SECONDS))

    def _judge(self, step: Step) -> bool:
        number = len(self._stages) - 1
        until = time.monotonic() + self._settings.patience
        while not self._is_over(number) and time.monotonic() < until:
            gevent.sleep(LOOK_SECONDS)
        rows = [row for row in self._rows if row.stage == number]
        held = hold(self._objectives, rows)
        if step.phase == MAIN:
            self._held.append((step.rate, held))
            self._say(f"{step.rate:.2f} requests/s: objectives {'hold' if held else 'break'}")
        return held

    def _is_over(self, number: int) -> bool:
        begun = self._stages[number].intended - self._stages[number].dropped
        ended = len({(r.conversation_id or r.trace_id) for r in self._rows if r.stage == number})
        return self._parts[number] == self._settings.processes and ended >= begun

    def _finish(self) -> None:
        self._runner.send_message("finish", {})
        # The last request may have begun a moment ago, and each visit has several.
        until = time.monotonic() + 4 * self._settings.patience
        while len(self._finished) < self._settings.processes and time.monotonic() < until:
            gevent.sleep(LOOK_SECONDS)

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
            stages=tuple(self._stages),
            invalid_because=tuple(faults),
            held=tuple(self._held),
            before=self._before,
            after=after,
        )

    def _settled(self) -> dict[str, float] | None:
        until, found = time.monotonic() + SETTLE_SECONDS, None
        while time.monotonic() < until:
            found = self._look()
            if found is not None and counters.in_flight(found) == 0:
                break
            gevent.sleep(1.0)
        return found

    def _faults(self) -> list[str]:
        # Of what is in the figures; of a run without any, of all.
        judged = [row for row in self._rows if row.benchmark_phase == MAIN] or self._rows
        late = sorted(row.schedule_delay_seconds for row in judged)
        p99 = at_rank(late, 99) if late else 0.0
        faults = [f"generator late: p99 {p99:.3f} s"] if p99 > LATE_SECONDS else []
        if not late:
            faults.append("nothing was sent")
        if dropped := sum(stage.dropped for stage in self._stages):
            faults.append(f"{dropped} visits were never begun: too many in flight")
        if len(self._finished) < self._settings.processes:
            faults.append("a process of the generator did not say that it has finished")
        if any(told["cpu_warning"] for told in self._finished):
            faults.append("Locust warned that a process of the generator used a whole core")
        return [*faults, *self._slow_stages()]

    def _slow_stages(self) -> list[str]:
        faults = []
        for stage in self._stages:
            end = stage.begun_ns + round(stage.seconds * 1e9)
            firsts = [r for r in self._rows if r.stage == stage.number and not r.turn_index]
            begun = sum(row.request_start_ns <= end + 1e9 * LATE_SECONDS for row in firsts)
            if stage.intended and begun < ACHIEVED * stage.intended:
                faults.append(f"stage {stage.number}: {begun} of {stage.intended} begun in time")
        return faults

    def _tell(self) -> None:
        while True:
            gevent.sleep(PROGRESS_SECONDS)
            if self._stages:
                self._say(self._line())

    def _line(self) -> str:
        stage = self._stages[-1]
        gone = (time.monotonic_ns() + self._clock.ahead_ns - stage.begun_ns) / 1e9
        firsts = [row.ttft_seconds for row in self._rows if row.ttft_seconds is not None]
        ttft = f", TTFT p50 {statistics.median(firsts):.3f} s" if firsts else ""
        return (
            f"stage {stage.number} {stage.phase} {stage.rate:.2f}/s"
            f" {max(0.0, gone):.0f} of {stage.seconds:.0f} s:"
            f" {len(self._rows)} ended, {self.unprovoked} unexpected{ttft}"
        )


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stdout, flush=True)
