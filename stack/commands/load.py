"""`make load` and `make load-ui`: a load test of the running server, by Locust."""

import os
import shlex
import socket
from typing import NoReturn

from stack.builds import venv
from stack.say import say
from stack.settings import Settings

KNOWN = (
    "URL", "METRICS_URL", "OTLP_ENDPOINT", "SHAPE", "ARRIVALS", "REPLAY", "RATE", "DURATION",
    "SEED", "TENANTS", "PROCESSES", "MOST_IN_FLIGHT", "PATIENCE", "LOAD_ANOTHER_MACHINE", "RUN_ID",
)  # fmt: skip
"""What loadtest/generator/settings.py reads; every other variable is none of the load's."""
UI_PORT = "8089"


def load(settings: Settings) -> NoReturn:
    """Run a load test without a page; 0 well, 1 an end nobody provoked, 3 an invalid run."""
    _run(settings, "load", ["--headless", "--only-summary"])


def load_ui(settings: Settings) -> NoReturn:
    """Run a load test with Locust's page on loopback, which stays when the run is over."""
    say(f"Locust's page: http://127.0.0.1:{UI_PORT} (Ctrl-C ends it)")
    _run(settings, "load-ui", ["--autostart", "--web-host", "127.0.0.1", "-P", UI_PORT])


def _run(settings: Settings, name: str, how: list[str]) -> NoReturn:
    python = venv.make(settings, "load") / "bin" / "python"
    asked = {key: settings.values[key] for key in KNOWN if settings.values.get(key)}
    given = [f"{key}={shlex.quote(value)}" for key, value in asked.items() if key != "RUN_ID"]
    again = " ".join((f"make {name}", *given))
    # Locust takes its flags from LOCUST_ variables too, and some would change what is sent.
    kept = {k: v for k, v in os.environ.items() if k not in KNOWN and not k.startswith("LOCUST_")}
    env = {**kept, **asked, "RUN_COMMAND": again, "PYTHONPATH": str(settings.repo)}
    env["RUNS_FOLDER"] = str(settings.state / "load")
    processes = asked.get("PROCESSES", "1")
    users = ["--users", processes, "--spawn-rate", processes, "--exit-code-on-error", "0"]
    several = _together(processes) if processes != "1" else []
    command = [str(python), "-m", "locust", "-f", "loadtest/locustfile.py", *how, *users, *several]
    command += ["--loglevel", "WARNING"]
    os.chdir(settings.repo)
    # In its place, so that whoever stops us stops the load.
    os.execve(python, command, env)  # noqa: S606


def _together(processes: str) -> list[str]:
    # Locust's own would listen on every interface, and a second run's workers would join the first.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    host = ["--master-bind-host", "127.0.0.1", "--master-host", "127.0.0.1"]
    ports = ["--master-bind-port", port, "--master-port", port]
    return ["--processes", processes, *host, *ports]
