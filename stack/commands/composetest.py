"""`make test-compose`: compose.yaml on a Docker engine of our own, by the same end-to-end suite."""

import os
import signal
import subprocess

from stack.commands import check
from stack.containers import standins
from stack.containers.standins import Cast
from stack.errors import Fault
from stack.readiness import ways
from stack.say import say, title
from stack.settings import Settings, load

SKIPPED = 77
PLUGIN = "tests.compose.plugin"
# What leaves things alone first, what takes them down last.
TESTS = ("tests/e2e", "tests/compose")


def _environment(settings: Settings, cast: Cast) -> dict[str, str]:
    """The tools' environment, and a project, state and engine apart from those of `make up`."""
    state = settings.repo / ".state" / "compose-test"
    return {
        **check.tools(settings),
        **cast.words(),
        "COMPOSE_FILE": os.pathsep.join(cast.files()),
        "COMPOSE_PROFILES": "cpu",
        "COMPOSE_PROGRESS": "quiet",
        "COMPOSE_PROJECT_NAME": "llm-observability-test",
        "DOCKER_HOST": f"unix://{state / 'run' / 'docker.sock'}",
        "MODEL": "tiny",
        # A machine that checks other things at the same time starts the engine slowly.
        "START_SECONDS": "600",
        "STATE_DIR": str(state),
    }


def _run_to_its_end(command: list[str], settings: Settings, env: dict[str, str]) -> int:
    """Pass Ctrl-C on once and wait: the tests have an engine to take down."""
    tests = subprocess.Popen(command, cwd=settings.repo, env=env, process_group=0)
    try:
        return tests.wait()
    except KeyboardInterrupt:
        tests.send_signal(signal.SIGINT)
        tests.wait()
        raise


def test_compose(settings: Settings) -> int:
    """Run it all; returns 77 when this machine cannot start an engine, having said why."""
    title("compose.yaml on an engine of our own")
    cast = standins.choose(settings, ways.machine())
    for line in standins.shown(settings, cast):
        say(f"  {line}")
    env = _environment(settings, cast)
    command = ["python", "-m", "pytest", "-p", PLUGIN, "--capture=no", "--durations=8", *TESTS]
    code = _run_to_its_end(command, settings, env)
    if code not in (0, SKIPPED):
        raise Fault("failed: the compose tests", f"see above and {load(settings.repo, env).logs}")
    return code
