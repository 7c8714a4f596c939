"""What one process of the generator does, from the conductor's first message to its last."""

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Group

from loadtest.generator.people import PEOPLE
from loadtest.generator.repeated import KINDS
from loadtest.generator.settings import Settings
from loadtest.generator.told import Told
from loadtest.generator.worker import Worker
from loadtest.objectives import Objectives
from loadtest.ranks import at_rank
from loadtest.rows import Stage
from loadtest.telemetry import LoadTelemetry

if TYPE_CHECKING:
    # Importing Locust patches the whole process: its tests are not to be.
    from locust.env import Environment
    from locust.runners import LocalRunner, WorkerRunner

ROWS_SECONDS, LOOK_SECONDS = 1.0, 0.1
TICK_SECONDS, TICKS = 0.02, 180_000
"""How often a stall is looked for, and of how many looks p99 is taken: the last hour."""


class Part:
    """Made when the run begins: the process's place among all is known then."""

    def __init__(
        self,
        settings: Settings,
        objectives: Objectives,
        environment: "Environment",
        runner: "LocalRunner | WorkerRunner",
        model: str,
    ) -> None:
        self._runner = runner
        self._stages = Group()
        index = runner.worker_index
        self._telemetry = LoadTelemetry(
            settings.otlp_endpoint, settings.run_id, str(index), objectives
        )
        kinds = KINDS if settings.plan else tuple(PEOPLE)
        gevent.spawn(self._telemetry.begin, settings.shape, model, settings.seed, kinds)
        self._told = Told(environment, self._telemetry)
        self._worker = Worker(settings, index, self._told)
        self._stalls: deque[float] = deque(maxlen=TICKS)
        gevent.spawn(self._report)
        gevent.spawn(self._watch)

    def send(self, stage: dict[str, Any]) -> None:
        """Send a stage, beside whatever is still in flight of the one before."""
        self._stages.spawn(self._send, stage)

    def _send(self, stage: dict[str, Any]) -> None:
        number, phase, rate = stage["number"], stage["phase"], stage["rate"]
        begun = stage["begun_ns"] + stage["ahead_ns"]
        self._telemetry.stage(Stage(number, phase, rate, begun, stage["seconds"]))
        done = self._worker.run(stage)
        told = {"number": number, "intended": done.intended, "dropped": done.dropped}
        self._runner.send_message("part", told)
        while self._worker.open[number]:
            gevent.sleep(LOOK_SECONDS)
        self._send_rows()
        self._runner.send_message("settled", {"number": number})

    def stop(self) -> None:
        """Hang up, begin nothing more, and say what there is."""
        self._stages.kill()
        self._worker.stop()
        self._send_rows()
        self._telemetry.close()

    def _report(self) -> None:
        while True:
            gevent.sleep(ROWS_SECONDS)
            self._send_rows()

    def _send_rows(self) -> None:
        if lines := self._told.fetch():
            self._runner.send_message("rows", {"lines": lines})

    def finish(self) -> None:
        """Wait for what is in flight, and say the last of it."""
        gevent.spawn(self._finish)

    def _finish(self) -> None:
        self._stages.join()
        self._telemetry.close()
        told = {
            "cpu_warning": self._runner.cpu_warning_emitted,
            "stalled": at_rank(sorted(self._stalls), 99) if self._stalls else 0.0,
        }
        self._runner.send_message("finished", told)

    def _watch(self) -> None:
        # Whatever keeps this process from reading is in no figure but in this one.
        while True:
            begun = time.monotonic()
            gevent.sleep(TICK_SECONDS)
            self._stalls.append(time.monotonic() - begun - TICK_SECONDS)
