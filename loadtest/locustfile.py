"""`locust -f loadtest/locustfile.py`, by `make load`: an open loop, whatever Locust's users do.

Every wait time of a Locust user is a closed loop, its `poisson()` too: a slow server would be asked
less. So each process has one user, who only keeps the run alive, and one worker, who sends what is
due; the leading process announces stages and collects what was seen.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Group
from locust import User, events, task
from locust.env import Environment
from locust.runners import LocalRunner, Runner, WorkerRunner

from loadtest import objectives
from loadtest.generator import settings as asked
from loadtest.generator.conductor import Conductor, say
from loadtest.generator.people import PEOPLE
from loadtest.generator.told import Told
from loadtest.generator.worker import Worker
from loadtest.rows import Run, Stage
from loadtest.telemetry import LoadTelemetry

REPO = Path(__file__).resolve().parent.parent
ROWS_SECONDS = 1.0
INVALID, FAILED = 3, 1
"""Exit codes: the generator was the bottleneck; something ended as nobody provoked."""

try:
    SETTINGS = asked.read(os.environ)
    OBJECTIVES = objectives.read(REPO / "prometheus" / "slo.yaml")
except (asked.SettingsError, objectives.ObjectivesError) as error:
    sys.exit(f"the load cannot start: {error}")


class Visitor(User):
    """Keeps Locust's run alive; who visits the server is in loadtest/generator/people.py."""

    @task
    def stay(self) -> None:
        """Do nothing until the run ends."""
        gevent.sleep(3600)


def _model() -> str:
    key = {"authorization": f"Bearer {SETTINGS.keys[0][1]}"} if SETTINGS.keys else {}
    request = urllib.request.Request(f"{SETTINGS.url}/v1/models", headers=key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return str(json.load(answer)["data"][0]["id"])


def _wire(environment: Environment, runner: Runner, **_: Any) -> None:
    if isinstance(runner, LocalRunner | WorkerRunner):
        _wire_worker(environment, runner)
    if not isinstance(runner, WorkerRunner):
        _wire_conductor(environment, runner)


class Part:
    """What one process of the generator does; it is made after the fork, and begins when told."""

    def __init__(self, environment: Environment, runner: LocalRunner | WorkerRunner) -> None:
        self._environment = environment
        self._runner = runner

    def begin(self, model: str) -> None:
        """Begin: the worker's place among all is known now."""
        index = self._runner.worker_index
        self._telemetry = LoadTelemetry(
            SETTINGS.otlp_endpoint, SETTINGS.run_id, str(index), OBJECTIVES
        )
        gevent.spawn(self._telemetry.begin, SETTINGS.shape, model, SETTINGS.seed, PEOPLE)
        self._told = Told(self._environment, self._telemetry)
        self._worker = Worker(SETTINGS, index, self._told)
        gevent.spawn(self._report)

    def send(self, stage: dict[str, Any]) -> None:
        """Send a stage."""
        number, phase, rate = stage["number"], stage["phase"], stage["rate"]
        begun = stage["begun_ns"] + stage["ahead_ns"]
        self._telemetry.stage(Stage(number, phase, rate, begun, stage["seconds"]))
        done = self._worker.run(stage)
        told = {"number": number, "intended": done.intended, "dropped": done.dropped}
        self._runner.send_message("part", told)

    def _report(self) -> None:
        while True:
            gevent.sleep(ROWS_SECONDS)
            self._send_rows()

    def _send_rows(self) -> None:
        if lines := self._told.fetch():
            self._runner.send_message("rows", {"lines": lines})

    def finish(self) -> None:
        """Wait for what is in flight, and say the last of it."""
        while self._worker.in_flight:
            gevent.sleep(0.1)
        self._telemetry.close()
        self._send_rows()
        told = {"cpu_warning": self._runner.cpu_warning_emitted}
        self._runner.send_message("finished", told)


events.init.add_listener(_wire)  # type: ignore[no-untyped-call]


def _wire_worker(environment: Environment, runner: LocalRunner | WorkerRunner) -> None:
    part, stages = Part(environment, runner), Group()
    # Whoever presses Stop on the page, or Ctrl-C, wants nothing more to be sent.
    events.test_stop.add_listener(lambda **_: stages.kill())  # type: ignore[no-untyped-call]
    runner.register_message("begin", lambda msg, **_: part.begin(msg.data["model"]))
    runner.register_message("stage", lambda msg, **_: stages.spawn(part.send, msg.data))
    runner.register_message("finish", lambda **_: gevent.spawn(part.finish))


def _wire_conductor(environment: Environment, runner: Runner) -> None:
    begun: list[Conductor] = []
    leading = Group()

    def on_start(**_: Any) -> None:
        if begun:
            say("one run a process: end this one and start another")
            return
        leading.spawn(lead)

    def on_stop(**_: Any) -> None:
        if gevent.getcurrent() not in leading:
            leading.kill()
        for conductor in begun:
            conductor.abandon()

    def lead() -> None:
        try:
            model = _model()
        except (OSError, ValueError, LookupError) as error:
            say(f"the load cannot start: {SETTINGS.url} does not answer ({error}): `make up`")
            environment.process_exit_code = FAILED
            runner.quit()
            return
        conductor = Conductor(SETTINGS, runner, model, OBJECTIVES, say)
        begun.append(conductor)
        runner.register_message("rows", lambda msg, **_: conductor.take_rows(msg.data["lines"]))
        runner.register_message("part", lambda msg, **_: conductor.take_part(**msg.data))
        runner.register_message("finished", lambda msg, **_: conductor.take_finish(msg.data))
        runner.send_message("begin", {"model": model})
        run = conductor.run()
        environment.process_exit_code = _verdict(run, conductor)
        # The page stays for whoever looks at it.
        (runner.quit if environment.web_ui is None else runner.stop)()

    events.test_start.add_listener(on_start)  # type: ignore[no-untyped-call]
    events.test_stop.add_listener(on_stop)  # type: ignore[no-untyped-call]
    events.quitting.add_listener(on_stop)  # type: ignore[no-untyped-call]


def _verdict(run: Run, conductor: Conductor) -> int:
    for reason in run.invalid_because:
        say(f"INVALID: {reason}")
    if conductor.held:
        holds = [rate for rate, held in conductor.held if held]
        say(f"highest rate that holds: {max(holds):.2f}/s" if holds else "no rate holds")
    say(f"{SETTINGS.folder}: `make report` draws it")
    if run.invalid_because:
        return INVALID
    return FAILED if conductor.unprovoked and not conductor.held else 0
