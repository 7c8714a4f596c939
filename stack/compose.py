"""The compose way: the same parts as containers."""

import os
import subprocess

from stack import secret, ways
from stack.errors import Fault
from stack.parts import parts
from stack.preflight import check_ports
from stack.run import last_error
from stack.say import say, step
from stack.settings import Settings


def _environment(settings: Settings) -> dict[str, str]:
    profile = os.environ.get("COMPOSE_PROFILES") or ("gpu" if ways.has_gpu() else "cpu")
    return {**os.environ, "COMPOSE_PROFILES": profile, "STATE_DIR": str(settings.state)}


def _command() -> list[str]:
    found = ways.compose_command()
    if not found:
        raise Fault("there is no compose command", "install the Docker Compose plugin")
    return found


def run(settings: Settings, *arguments: str) -> int:
    """Run one compose command in the open and return its exit status."""
    command = [*_command(), *arguments]
    return subprocess.run(
        command, cwd=settings.repo, env=_environment(settings), check=False
    ).returncode


def is_up(settings: Settings) -> bool:
    """True when containers of this project run."""
    command = [*_command(), "ps", "--quiet", "--status", "running"]
    done = subprocess.run(
        command, cwd=settings.repo, env=_environment(settings), capture_output=True, check=False
    )
    return done.returncode == 0 and bool(done.stdout.strip())


def up(settings: Settings) -> None:
    """Start all containers and wait until they are healthy; takes them down when one is not."""
    if is_up(settings):
        say("already up (compose)")
    else:
        check_ports(parts(with_grafana=True))
    secret.ensure(settings)
    if run(settings, "up", "--detach", "--wait", "--wait-timeout", "1200") != 0:
        log = settings.logs / "compose.log"
        _keep_logs(settings)
        run(settings, "down")
        raise Fault(f"a container did not become healthy: {last_error(log)}", f"read {log}")


def _keep_logs(settings: Settings) -> None:
    settings.logs.mkdir(parents=True, exist_ok=True)
    command = [*_command(), "logs", "--no-color", "--tail", "200"]
    with (settings.logs / "compose.log").open("w") as out:
        subprocess.run(
            command, cwd=settings.repo, env=_environment(settings), stdout=out, check=False
        )


def down(settings: Settings) -> None:
    """Stop and remove the containers; volumes stay."""
    with step("stopping every container"):
        if run(settings, "down") != 0:
            raise Fault("the containers could not be stopped", "start the Docker daemon, try again")
