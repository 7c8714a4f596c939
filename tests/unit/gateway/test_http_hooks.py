"""Hooks that raise: no request fails by them, each is counted, the others still run."""

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from server.gateway import exchange
from server.gateway.api_keys import Tenants
from server.ledger.device_ledger import Ledger
from server.pricing.request_cost import CostTracker
from server.record.request import RequestRecord
from server.requests.in_flight_journal import Journal
from server.requests.lifecycle import Observer
from server.requests.live_request import LiveRequest
from server.signals import instruments, logs, red
from server.signals.tracing import Tracing
from tests.unit.asgi import (
    Client,
    Inner,
    Install,
    end,
)
from tests.unit.flying import kept
from tests.unit.helpers import hook_failures


def _once(original: Callable[..., Any]) -> Callable[..., Any]:
    """Raises on the first call: what it stands for is asked elsewhere too."""
    calls = iter([True])

    def raising(*args: Any, **kwargs: Any) -> Any:
        if next(calls, False):
            raise RuntimeError("text of a prompt")
        return original(*args, **kwargs)

    return raising


HOOKS = [
    (Tracing, "start", "begin"),
    (Tenants, "of", "begin"),
    (Tracing, "finish", "tracing"),
    (exchange, "look", "peek"),
    (Observer, "accept", "accept"),
    (CostTracker, "cost", "cost"),
    (CostTracker, "observe", "cost_metrics"),
    (red, "observe", "red"),
    (logs, "request_finished", "logs"),
    (Journal, "begin", "journal"),
    (Journal, "end", "journal"),
    (LiveRequest, "to_record", "record"),
    (instruments.IN_FLIGHT, "labels", "accept"),
]


@pytest.mark.parametrize(
    ("owner", "name", "hook"),
    HOOKS,
    ids=[f"{getattr(owner, '__name__', 'IN_FLIGHT')}.{name}" for owner, name, _ in HOOKS],
)
async def test_a_hook_that_raises_fails_no_request_and_is_counted(
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: Any,
    name: str,
    hook: str,
) -> None:
    install()
    monkeypatch.setattr(owner, name, _once(getattr(owner, name)))
    client = Client(Inner())
    with hook_failures(hook, 1), caplog.at_level(logging.DEBUG):
        await client.call()
    assert (client.status, client.body) == (200, b"fine.")
    assert len(client.headers["x-trace-id"]) == 32
    assert "text of a prompt" not in caplog.text


async def test_a_gauge_that_fails_at_the_end_is_counted_too(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        monkeypatch.setattr(instruments.IN_FLIGHT, "labels", _once(instruments.IN_FLIGHT.labels))
        await Inner()(scope, receive, send)

    client = Client(breaks)
    with hook_failures("in_flight", 1):
        await client.call()
    assert client.status == 200


async def test_one_consumers_failure_keeps_the_others(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    lines: list[RequestRecord] = []
    monkeypatch.setattr(red, "observe", _once(red.observe))
    monkeypatch.setattr(logs, "request_finished", lambda record, *_: lines.append(record))
    await Client(Inner()).call()
    assert [end(line) for line in lines] == [("ok", "complete", 200)]


FILES = ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir")
_touched: list[str] | None = None
_LOOP = threading.get_ident()


def _note(event: str, args: tuple[object, ...]) -> None:
    if _touched is not None and event in FILES and threading.get_ident() == _LOOP:
        _touched.append(f"{event} {args[0]}")


sys.addaudithook(_note)


async def test_a_request_touches_no_file_on_the_event_loop(install: Install, tmp_path: Any) -> None:
    global _touched
    journal = Journal(tmp_path)
    install(journal=journal, ledger=Ledger(0, lambda: 3_600_000))
    await Client(Inner()).call()
    _touched = []
    try:
        await Client(Inner()).call()
        found = _touched
    finally:
        _touched = None
    assert found == []
    journal.close(2)


@pytest.mark.parametrize("together", [0.0, 600.0])
async def test_the_journal_is_empty_after_an_answer(
    install: Install, tmp_path: Path, together: float
) -> None:
    journal = Journal(tmp_path)
    install(journal=journal, together_seconds=together)
    during: list[int] = []

    async def looks(scope: Scope, receive: Receive, send: Send) -> None:
        assert journal._writer.ask(2)
        during.append(len(kept(tmp_path)))
        await Inner()(scope, receive, send)

    await Client(looks).call()
    assert during == [1]
    journal.close(2)
    assert kept(tmp_path) == {}
