"""`locust -f loadtest/locustfile.py`, by `make load`: an open loop, whatever Locust's users do.

Every wait time of a Locust user is a closed loop, its `poisson()` too: a slow server would be asked
less. So each process has one user, who only keeps the run alive, and one worker, who sends what is
due; the leading process announces stages and collects what was seen.
"""

import os
import sys
from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.runners import LocalRunner, Runner, WorkerRunner

from loadtest import objectives
from loadtest.generator import settings as asked
from loadtest.generator.lead import Lead
from loadtest.generator.part import Part

try:
    SETTINGS = asked.read(os.environ)
    OBJECTIVES = objectives.read()
except (asked.SettingsError, objectives.ObjectivesError) as error:
    sys.exit(f"the load cannot start: {error}")


class Visitor(User):
    """Keeps Locust's run alive; who visits the server is in loadtest/generator/people.py."""

    @task
    def stay(self) -> None:
        """Do nothing until the run ends."""
        gevent.sleep(3600)


def _wire(environment: Environment, runner: Runner, **_: Any) -> None:
    if isinstance(runner, LocalRunner | WorkerRunner):
        _wire_part(environment, runner)
    if not isinstance(runner, WorkerRunner):
        _wire_lead(environment, runner)


def _wire_part(environment: Environment, runner: LocalRunner | WorkerRunner) -> None:
    parts: list[Part] = []

    def on_begin(msg: Any, **_: Any) -> None:
        parts.append(Part(SETTINGS, OBJECTIVES, environment, runner, msg.data["model"]))

    def on_stop(**_: Any) -> None:
        for part in parts:
            part.stop()

    runner.register_message("begin", on_begin)
    runner.register_message("stage", lambda msg, **_: parts[0].send(msg.data))
    runner.register_message("finish", lambda **_: parts[0].finish())
    events.test_stop.add_listener(on_stop)  # type: ignore[no-untyped-call]


def _wire_lead(environment: Environment, runner: Runner) -> None:
    lead = Lead(SETTINGS, OBJECTIVES, environment, runner)
    events.test_start.add_listener(lambda **_: lead.begin())  # type: ignore[no-untyped-call]
    for ending in (events.test_stop, events.quitting):
        ending.add_listener(lambda **_: lead.stop())  # type: ignore[no-untyped-call]


events.init.add_listener(_wire)  # type: ignore[no-untyped-call]
