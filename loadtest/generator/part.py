"""What one process of the generator does, from the conductor's first message to its last."""

from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Group

from loadtest.generator.people import PEOPLE
from loadtest.generator.settings import Settings
from loadtest.generator.told import Told
from loadtest.generator.worker import Worker
from loadtest.objectives import Objectives
from loadtest.rows import Stage
from loadtest.telemetry import LoadTelemetry

if TYPE_CHECKING:
    # Importing Locust patches the whole process: its tests are not to be.
    from locust.env import Environment
    from locust.runners import LocalRunner, WorkerRunner

ROWS_SECONDS = 1.0


class Part:
    """Made when the run begins: the process's place among all, and its telemetry, are known then."""

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
        gevent.spawn(self._telemetry.begin, settings.shape, model, settings.seed, PEOPLE)
        self._told = Told(environment, self._telemetry)
        self._worker = Worker(settings, index, self._told)
        gevent.spawn(self._report)

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

    def stop(self) -> None:
        """Begin nothing more."""
        self._stages.kill()

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
        while self._worker.in_flight:
            gevent.sleep(0.1)
        self._telemetry.close()
        self._send_rows()
        told = {"cpu_warning": self._runner.cpu_warning_emitted}
        self._runner.send_message("finished", told)
