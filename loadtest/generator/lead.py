"""A run's whole life in the process that leads it: its model, its conductor, its verdict."""

import json
import traceback
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import gevent
from gevent.pool import Group

from loadtest.generator.conductor import Conductor
from loadtest.generator.progress import say
from loadtest.generator.settings import Settings
from loadtest.objectives import Objectives
from loadtest.rows import Run, limit_in_words

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import Runner

FAILED, INVALID = 1, 3
"""Exit codes: something ended as nobody asked it to; the generator was the bottleneck."""


class Lead:
    """Leads one run a process; the page's Start button begins no second one."""

    def __init__(
        self,
        settings: Settings,
        objectives: Objectives,
        environment: "Environment",
        runner: "Runner",
    ) -> None:
        self._settings = settings
        self._objectives = objectives
        self._environment = environment
        self._runner = runner
        self._leading = Group()
        self._conductor: Conductor | None = None

    def begin(self) -> None:
        """Begin the run."""
        if self._conductor is None:
            self._leading.spawn(self._run)
        else:
            say("one run a process: end this one and start another")

    def stop(self) -> None:
        """End the run before its time, or do nothing where it is over."""
        if gevent.getcurrent() not in self._leading:
            self._leading.kill()
        if self._conductor is not None and (run := self._conductor.abandon()):
            self._end(self._conductor, run)

    def _run(self) -> None:
        self._environment.process_exit_code = FAILED
        try:
            conductor = self._made()
            self._end(conductor, conductor.run())
        except (OSError, HTTPException, LookupError) as error:
            say(f"the load cannot go on: {self._why(error)}")
        except Exception:
            # Locust would wait for ever.
            traceback.print_exc()
            self.stop()
        # The page stays for whoever looks at it.
        (self._runner.quit if self._environment.web_ui is None else self._runner.stop)()

    def _made(self) -> Conductor:
        runner, model = self._runner, self._model()
        conductor = Conductor(self._settings, runner, model, self._objectives, say)
        self._conductor = conductor
        say(f"run {self._settings.run_id} of {model} at {self._settings.url}")
        runner.register_message("rows", lambda msg, **_: conductor.take_rows(msg.data["lines"]))
        runner.register_message("part", lambda msg, **_: conductor.take_part(**msg.data))
        runner.register_message("settled", lambda msg, **_: conductor.take_settled(**msg.data))
        runner.register_message("finished", lambda msg, **_: conductor.take_finish(msg.data))
        runner.send_message("begin", {"model": model})
        return conductor

    def _model(self) -> str:
        keys = self._settings.keys
        key = {"authorization": f"Bearer {keys[0][1]}"} if keys else {}
        request = urllib.request.Request(f"{self._settings.url}/v1/models", headers=key)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return str(json.load(answer)["data"][0]["id"])

    def _why(self, error: Exception) -> str:
        settings = self._settings
        if isinstance(error, FileExistsError):
            return f"{settings.folder} holds another run: choose another RUN_ID"
        if isinstance(error, HTTPError) and error.code in (401, 403):
            return f"{settings.url} wants a key: name a file of lines `tenant key` in TENANTS"
        return f"{settings.url} does not answer ({error}): `make up`"

    def _end(self, conductor: Conductor, run: Run) -> None:
        for reason in run.invalid_because:
            say(f"INVALID: {reason}")
        if run.held and not run.invalid_because:
            say(limit_in_words(run))
        say(f"{self._settings.folder}: `make report` draws it")
        # Beyond the limit requests fail: that is what was looked for.
        failed = FAILED if conductor.unexpected and not run.held else 0
        self._environment.process_exit_code = INVALID if run.invalid_because else failed
