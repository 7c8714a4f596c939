"""The compose way: the same parts as containers."""

import os
import subprocess
from collections.abc import Mapping

from stack import secret
from stack.containers import remote
from stack.containers.docker import Containers
from stack.errors import Fault
from stack.parts.lineup import COMPOSE
from stack.parts.table import parts
from stack.readiness import health, ways
from stack.readiness.preflight import check_ports
from stack.receivers import backend, render
from stack.receivers.chosen import Receiver
from stack.receivers.running import reload
from stack.run import last_error
from stack.say import say, step
from stack.settings import Settings


def _environment(settings: Settings) -> dict[str, str]:
    profile = os.environ.get("COMPOSE_PROFILES") or ("gpu" if ways.has_gpu() else "cpu")
    ours = {"COMPOSE_PROFILES": profile, "STATE_DIR": str(settings.state)}
    return {**os.environ, **ours, **remote.variables(settings), **_alertmanager(settings)}


def _alertmanager(settings: Settings) -> dict[str, str]:
    """Where the receivers of `.env` are; before the first `make up`, compose.yaml's own."""
    config, secrets = render.path(settings), render.secrets_folder(settings)
    if not config.is_file() or not secrets.is_dir():
        return {}
    return {"ALERTMANAGER_CONFIG": str(config), "ALERTMANAGER_SECRETS": str(secrets)}


def _command(settings: Settings, env: Mapping[str, str], *arguments: str) -> list[str]:
    found = ways.compose_command()
    if not found:
        raise Fault("there is no compose command", "install the Docker Compose plugin")
    return [*found, *_profiles(settings, env, arguments[0]), *arguments]


def _profiles(settings: Settings, env: Mapping[str, str], verb: str) -> list[str]:
    """The profiles of a command: the proxy is started on request only, and always taken down."""
    ours = env["COMPOSE_PROFILES"].split(",")
    if verb != "up" or remote.is_wanted(settings):
        ours.append("remote")
    return [word for name in ours for word in ("--profile", name)]


def run(settings: Settings, *arguments: str) -> int:
    """Run one compose command in the open and return its exit status."""
    env = _environment(settings)
    command = _command(settings, env, *arguments)
    return subprocess.run(command, cwd=settings.repo, env=env, check=False).returncode


def output(settings: Settings, *arguments: str) -> str:
    """What one compose command prints on both streams."""
    env = _environment(settings)
    command = _command(settings, env, *arguments)
    return subprocess.run(
        command,
        cwd=settings.repo,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def service(settings: Settings, part: str) -> str:
    """The compose service of a part: the GPU's server has another name."""
    is_gpu = _environment(settings)["COMPOSE_PROFILES"] == "gpu"
    return "server-gpu" if part == "server" and is_gpu else part


def server_image(settings: Settings) -> str:
    """The image that `make up` builds for the server of this machine."""
    return f"llm-observability/server-{_environment(settings)['COMPOSE_PROFILES']}:local"


def containers(settings: Settings) -> Containers:
    """The containers of this project; what is returned looks again when called, every 3 s."""
    return Containers(lambda *arguments: output(settings, *arguments), settings.logs, 3.0)


def is_up(settings: Settings) -> bool:
    """True when containers of this project run."""
    return any(one.state == "RUNNING" for one in containers(settings)().values())


def up(settings: Settings, receivers: tuple[Receiver, ...]) -> None:
    """Start all containers and wait until they are healthy; takes them down when one is not."""
    wanted = parts(COMPOSE)
    settings.logs.mkdir(parents=True, exist_ok=True)
    if is_up(settings):
        say("already up (compose)")
    else:
        check_ports(wanted)
    secret.ensure(settings)
    secret.hub_token(settings)
    backend.write(settings, backend.chosen(settings))
    remote.write(settings, remote.chosen(settings))
    render.copy_secrets(settings, receivers)
    render.write(settings, receivers, render.in_container)
    try:
        _start(settings)
        health.wait(settings, wanted, containers(settings))
        # A container that ran already has what it read at its start.
        reload()
    except (Fault, KeyboardInterrupt):
        say("  taking down what was started")
        run(settings, "down")
        raise


def _start(settings: Settings) -> None:
    """`--wait` would call a one-shot container that ended well a failure, so health waits."""
    if not remote.is_wanted(settings):
        # Of an earlier start: nobody else would take it away.
        output(settings, "rm", "--stop", "--force", "proxy")
    if run(settings, "up", "--detach") != 0:
        log = settings.logs / "compose.log"
        log.write_text(output(settings, "logs", "--no-color", "--tail", "200"))
        raise Fault(f"compose could not start the containers: {last_error(log)}", f"read {log}")


def down(settings: Settings) -> None:
    """Stop and remove the containers; volumes stay."""
    with step("stopping every container"):
        if run(settings, "down") != 0:
            raise Fault("the containers could not be stopped", "start the Docker daemon, try again")
