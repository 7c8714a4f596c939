"""`make load` and `make load-ui`: a load test of the running server, by Locust."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NoReturn

from stack.builds import venv
from stack.readiness import ports
from stack.say import say
from stack.settings import Settings

KNOWN = (
    "URL", "METRICS_URL", "OTLP_ENDPOINT", "SHAPE", "ARRIVALS", "REPLAY", "RATE", "DURATION",
    "SEED", "TENANTS", "PROCESSES", "MOST_IN_FLIGHT", "PATIENCE", "LOAD_ANOTHER_MACHINE", "RUN_ID",
    "PLAN",
)  # fmt: skip
"""What loadtest/generator/settings.py reads; every other variable is none of the load's."""
UI_PORT = "8089"
HEADLESS = ["--headless", "--only-summary"]


def load(settings: Settings) -> NoReturn:
    """Run a load test without a page; 0 well, 1 an end nobody provoked, 3 an invalid run."""
    _run(settings, "load", HEADLESS)


def load_ui(settings: Settings) -> NoReturn:
    """Run a load test with Locust's page on loopback, which stays when the run is over."""
    say(f"Locust's page: http://127.0.0.1:{UI_PORT} (Ctrl-C ends it)")
    _run(settings, "load-ui", ["--autostart", "--web-host", "127.0.0.1", "-P", UI_PORT])


def run_beside(settings: Settings, name: str, given: Sequence[str], more: Mapping[str, str]) -> int:
    """Run a load of `make NAME` beside this process and return its status.

    `given` are the variables that make it again, `more` what the load is asked beside the
    settings. Whoever stops us stops it, and it says what there is.
    """
    known = {key: settings.values[key] for key in given if settings.values.get(key)}
    command, env = _made(settings, {**settings.values, **more}, _again(name, known), HEADLESS)
    running = subprocess.Popen(command, cwd=settings.repo, env=env)
    before = signal.signal(signal.SIGTERM, lambda *_: running.terminate())
    try:
        return _ended(running)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(running: "subprocess.Popen[bytes]") -> int:
    while True:
        try:
            return running.wait()
        except KeyboardInterrupt:
            # A terminal has told it too, and it ends by itself.
            continue


def _run(settings: Settings, name: str, how: list[str]) -> NoReturn:
    asked = {key: settings.values[key] for key in KNOWN if settings.values.get(key)}
    again = _again(name, {key: value for key, value in asked.items() if key != "RUN_ID"})
    command, env = _made(settings, settings.values, again, how)
    os.chdir(settings.repo)
    # In its place, so that whoever stops us stops the load.
    os.execve(command[0], command, env)  # noqa: S606


def _again(name: str, given: Mapping[str, str]) -> str:
    return " ".join((f"make {name}", *(f"{k}={shlex.quote(v)}" for k, v in given.items())))


def _made(
    settings: Settings, values: Mapping[str, str], again: str, how: list[str]
) -> tuple[list[str], dict[str, str]]:
    """The command and its environment."""
    python = venv.make(settings, "load") / "bin" / "python"
    asked = {key: values[key] for key in KNOWN if values.get(key)}
    # Locust takes its flags from LOCUST_ variables too, and some would change what is sent.
    kept = {k: v for k, v in os.environ.items() if k not in KNOWN and not k.startswith("LOCUST_")}
    env = {**kept, **asked, "RUN_COMMAND": again, "PYTHONPATH": str(settings.repo)}
    env["RUNS_FOLDER"] = str(settings.state / "load")
    processes = asked.get("PROCESSES", "1")
    users = ["--users", processes, "--spawn-rate", processes, "--exit-code-on-error", "0"]
    several = _together(processes) if processes != "1" else []
    command = [str(python), "-m", "locust", "-f", "loadtest/locustfile.py", *how, *users, *several]
    return [*command, "--loglevel", "WARNING"], env


def _together(processes: str) -> list[str]:
    # Locust's own would listen on every interface, and a second run's workers would join the first.
    port = str(ports.any_free())
    host = ["--master-bind-host", "127.0.0.1", "--master-host", "127.0.0.1"]
    bound = ["--master-bind-port", port, "--master-port", port]
    return ["--processes", processes, *host, *bound]
