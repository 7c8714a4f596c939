"""The stack of compose.yaml on an engine of our own, for the end-to-end suite and for ours."""

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stack import secret
from stack.builds import cache
from stack.containers import compose, remote
from stack.errors import Fault
from stack.readiness import health
from stack.readiness.preflight import check_ports
from stack.receivers import backend
from stack.say import step, title
from stack.settings import Settings, load
from tests.compose import base, engine, images
from tests.compose.runs import PARTS, REPO

# What automake calls a skipped test; stack/commands/composetest.py passes it on.
SKIPPED = 77


def _keep_logs(settings: Settings) -> None:
    for part in PARTS:
        text = compose.output(settings, "logs", "--no-color", "--no-log-prefix", part.name)
        (settings.logs / f"{part.name}.log").write_text(text)


def start(settings: Settings) -> None:
    """Start all containers and wait until each part answers."""
    if compose.run(settings, "up", "--detach", "--quiet-pull") != 0:
        raise Fault("compose could not start the containers", "its reasons stand above")
    health.wait(settings, PARTS, compose.containers(settings))


@contextmanager
def _up(settings: Settings) -> Iterator[None]:
    """The containers for the block, with new volumes that go with them."""
    _clean(settings)
    # A password has no business in a test's output.
    with contextlib.redirect_stdout(io.StringIO()):
        secret.ensure(settings)
    secret.hub_token(settings)
    backend.write(settings, backend.chosen(settings))
    remote.write(settings, remote.chosen(settings))
    try:
        start(settings)
        yield
    finally:
        _keep_logs(settings)
        with step("taking the containers down"):
            _clean(settings)


def _clean(settings: Settings) -> None:
    """Away with containers and volumes: nothing in them is needed, so nothing is waited for."""
    compose.output(settings, "down", "--volumes", "--remove-orphans", "--timeout", "1")


@contextmanager
def _engine(settings: Settings) -> Iterator[None]:
    """Our engine with all images made, alone on its data folder."""
    with (
        cache.locked(settings.cache / "docker" / ".lock", "testing compose"),
        engine.running(settings),
    ):
        title("Images")
        images.make(settings)
        base.make(settings)
        # Those that the new ones replaced, 6 GB each; the engine is nobody else's.
        engine.docker("image", "prune", "--force")
        yield


@pytest.fixture(scope="session")
def containers() -> Iterator[Settings]:
    """The running stack; ends the session when this machine cannot have one."""
    settings = load(REPO)
    try:
        engine.check()
        engine.end_leftover(settings)
        check_ports(PARTS)
        with _engine(settings), _up(settings):
            yield settings
    except engine.CannotStart as reason:
        pytest.exit(f"compose not tested: {reason}", returncode=SKIPPED)
    except Fault as fault:
        pytest.exit(str(fault), returncode=1)
