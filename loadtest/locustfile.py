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
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtest import objectives
from loadtest.generator import settings as asked
from loadtest.generator.conductor import Conductor, say
from loadtest.generator.told import Told
from loadtest.generator.worker import Worker
from loadtest.rows import Run
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


@events.init.add_listener
def _wire(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, MasterRunner):
        _wire_worker(environment)
    if not isinstance(environment.runner, WorkerRunner):
        _wire_conductor(environment)


def _wire_worker(environment: Environment) -> None:
    runner = environment.runner
    assert runner is not None
    telemetry = LoadTelemetry(SETTINGS.otlp_endpoint, SETTINGS.run_id)
    told = Told(environment, telemetry)
    workers: list[Worker] = []

    def on_stage(msg: Any, **_: Any) -> None:
        if not workers:
            workers.append(Worker(SETTINGS, runner.worker_index, told))
            gevent.spawn(report)
        gevent.spawn(send, msg.data)

    def send(stage: dict[str, Any]) -> None:
        part = workers[0].run(stage)
        data = {"number": stage["number"], "intended": part.intended, "dropped": part.dropped}
        runner.send_message("part", data)

    def report() -> None:
        while True:
            gevent.sleep(ROWS_SECONDS)
            if lines := told.fetch():
                runner.send_message("rows", {"lines": lines})

    def on_finish(**_: Any) -> None:
        gevent.spawn(finish)

    def finish() -> None:
        while workers and workers[0].in_flight:
            gevent.sleep(0.1)
        telemetry.close()
        runner.send_message("rows", {"lines": told.fetch()})
        runner.send_message("finished", {"cpu_warning": runner.cpu_warning_emitted})

    runner.register_message("stage", on_stage)
    runner.register_message("finish", on_finish)


def _wire_conductor(environment: Environment) -> None:
    runner = environment.runner
    assert runner is not None

    def on_start(**_: Any) -> None:
        gevent.spawn(lead)

    def lead() -> None:
        try:
            model = _model()
        except (OSError, ValueError, LookupError) as error:
            say(f"the load cannot start: {SETTINGS.url} does not answer ({error}): `make up`")
            environment.process_exit_code = FAILED
            runner.quit()
            return
        conductor = Conductor(SETTINGS, runner, model, OBJECTIVES, say)
        runner.register_message("rows", lambda msg, **_: conductor.take_rows(msg.data["lines"]))
        runner.register_message("part", lambda msg, **_: conductor.take_part(**msg.data))
        runner.register_message("finished", lambda msg, **_: conductor.take_finish(msg.data))
        run = conductor.run()
        environment.process_exit_code = _verdict(run, conductor)
        runner.quit()

    events.test_start.add_listener(on_start)


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
