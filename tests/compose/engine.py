"""A Docker engine of our own: private socket and folders, ended by its process id."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import Fault
from stack.run import last_error
from stack.settings import Settings

START_SECONDS, STOP_SECONDS = 120.0, 40.0
TOOLS = ("dockerd", "docker", "iptables", "debootstrap", "busybox")


class CannotStart(Fault):
    """This machine cannot run an engine for us; the message is the reason, in one line."""


def check() -> None:
    """Raise CannotStart when it is plain that no engine can be started here."""
    missing = [name for name in TOOLS if not shutil.which(name)]
    if os.geteuid() != 0:
        raise CannotStart("an engine of our own needs root")
    if missing:
        packages = "docker.io iptables debootstrap busybox-static"
        raise CannotStart(f"{', '.join(missing)} missing", f"apt-get install {packages}")


def socket(settings: Settings) -> str:
    """The address of the engine's API, for DOCKER_HOST."""
    return f"unix://{settings.run / 'docker.sock'}"


def docker(*arguments: str, check: bool = True) -> str:
    """What one docker command prints; raises Fault with its last line when it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise Fault(f"docker {arguments[0]} failed: {said[-1]}")
    return done.stdout.strip()


def _command(settings: Settings) -> list[str]:
    places = {
        "data-root": settings.cache / "docker" / "data",
        "exec-root": settings.run / "docker",
        "pidfile": settings.run / "dockerd.pid",
    }
    options = [f"--{name}={path}" for name, path in places.items()]
    return ["dockerd", f"--host={socket(settings)}", *options]


def _wait(daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > until:
            raise CannotStart(f"dockerd does not run here: {last_error(log)}", f"read {log}")
        time.sleep(0.2)


def _end(settings: Settings, daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
    # dockerd leaves it mounted, and then nobody can remove the state folder.
    left = settings.run / "docker" / "netns" / "default"
    subprocess.run(["umount", str(left)], capture_output=True, check=False)


def end_leftover(settings: Settings) -> None:
    """End the engine of an earlier run that was killed, known by its pid file and our socket."""
    file = settings.run / "dockerd.pid"
    pid = int(file.read_text()) if file.exists() else 0
    command = Path(f"/proc/{pid}/cmdline")
    if not pid or not command.exists() or socket(settings) not in command.read_text():
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while command.exists() and time.monotonic() < until:
        time.sleep(0.2)


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """An engine for the block; raises CannotStart with the reason when it does not come up."""
    for folder in (settings.run, settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    log = settings.logs / "dockerd.log"
    with log.open("wb") as output:
        # A group of its own, so that Ctrl-C reaches the containers only through us.
        daemon = subprocess.Popen(_command(settings), stdout=output, stderr=output, process_group=0)
    try:
        _wait(daemon, log)
        yield
    finally:
        _end(settings, daemon)
