"""Fixtures that several unit tests share; what they need is imported only where it is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as tries

if TYPE_CHECKING:
    from server.requests.live_request import LiveRequest
    from tests.unit.asgi import Deadline, Install

# The same examples every time, however long they take: a test that is red must be red again, and a
# slow machine is no finding. The search for new ones is tests/bench/fuzz.py, which is no test.
tries.register_profile(
    "unit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
tries.load_profile("unit")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> "Install":
    """Installs an observer; returns the list that its records are appended to."""
    from tests.unit.asgi import installer

    return installer(monkeypatch)


@pytest.fixture
def deadline(monkeypatch: pytest.MonkeyPatch) -> "Deadline":
    """The deadline of every request: it passes when the test says so."""
    from tests.unit.asgi import Deadline

    return Deadline(monkeypatch)


@pytest.fixture
def live() -> "Iterator[LiveRequest]":
    """The request that the running task serves."""
    from server.requests.live_request import CURRENT
    from tests.unit.engine import request

    current = request()
    token = CURRENT.set(current)
    yield current
    CURRENT.reset(token)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller was heard, so that anybody's log call may quote one."""
    from server.signals import serving

    monkeypatch.setattr(serving, "_page", bytearray(b"\1"))


@pytest.fixture(autouse=True)
def _unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    from server.signals import serving

    monkeypatch.setattr(serving, "_page", bytearray(1))
