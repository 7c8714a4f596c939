"""Telling a caller its times: only who asks, of whole answers only, and only what is over."""

import re
import time

import pytest
from starlette.types import Receive, Scope, Send

from server.gateway import timing_told
from server.record.request import PHASES, Phase
from server.requests.engine_call import EngineCall
from server.requests.live_request import CURRENT
from tests.unit.asgi import Client, Inner, Install
from tests.unit.helpers import hook_failures, record, state

ASKS = {"x-llm-timing": "include"}
ENTRY = re.compile(r"(queue|prefill|decode);dur=(\d+\.\d{3})")


class Engine:
    """Answers as vLLM does, after an engine call whose steps were so many seconds ago."""

    def __init__(self, kind: str = "application/json", status: int = 200, first: float = 2.0):
        self._head = [(b"content-type", kind.encode())]
        self._status = status
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        live, now = CURRENT.get(), time.monotonic()
        assert live is not None
        live.started -= 10
        call = EngineCall(now - 5, (self._child(now),))
        live.begin_call(call)
        live.end_call()
        await send({"type": "http.response.start", "status": self._status, "headers": self._head})
        await send({"type": "http.response.body", "body": b"{}"})

    def _child(self, now: float) -> object:
        first = now - self._first if self._first else 0.0
        return state(scheduled=now - 3.25, first=first, last=now - 0.5, tokens=9)


def told(client: Client) -> dict[str, float]:
    """Milliseconds by phase, as the header has them and in its order."""
    parts = client.headers["server-timing"].split(", ")
    found = [ENTRY.fullmatch(part) for part in parts]
    assert all(found), parts
    return {match[1]: float(match[2]) for match in found if match}


async def test_who_asks_is_told_what_the_record_says(install: Install) -> None:
    records, client = install(), Client(Engine())
    await client.call(headers=ASKS)
    phases = {phase.name: phase.seconds * 1000 for phase in records[0].phases}
    assert list(told(client)) == ["queue", "prefill", "decode"]
    assert told(client) == {name: pytest.approx(phases[name], abs=0.0005) for name in told(client)}
    assert told(client)["queue"] == pytest.approx(1750, abs=1)
    assert "x-llm-cost-microdollars" not in client.headers


@pytest.mark.parametrize("headers", [{}, {"x-llm-timing": "yes"}, {"x-llm-cost": "include"}])
async def test_who_does_not_ask_is_not(install: Install, headers: dict[str, str]) -> None:
    install()
    client = Client(Engine())
    await client.call(headers=headers)
    assert "server-timing" not in client.headers


async def test_a_stream_begins_before_its_phases_end(install: Install) -> None:
    install()
    client = Client(Engine("text/event-stream; charset=utf-8"))
    await client.call(headers=ASKS)
    assert (client.status, client.body) == (200, b"{}")
    assert "server-timing" not in client.headers


@pytest.mark.parametrize(
    "app", [Inner(), Engine(status=500), Engine(first=0.0)], ids=["no engine", "error", "no token"]
)
async def test_what_is_not_known_is_not_invented(install: Install, app: Inner | Engine) -> None:
    install()
    client = Client(app)
    await client.call(headers=ASKS)
    assert "server-timing" not in client.headers


async def test_a_refusal_has_no_times(install: Install) -> None:
    install()
    client = Client(Engine())
    await client.call(path="/nope", headers=ASKS)
    assert client.status == 404
    assert "server-timing" not in client.headers


async def test_both_may_be_asked_for(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    from decimal import Decimal

    from server.requests.lifecycle import Observer

    install()
    monkeypatch.setattr(Observer, "cost", lambda *_: Decimal("16.5"))
    client = Client(Engine())
    await client.call(headers={**ASKS, "x-llm-cost": "include"})
    assert client.headers["x-llm-cost-microdollars"] == "16.5"
    assert len(told(client)) == 3


async def test_a_hook_that_fails_harms_no_answer(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    monkeypatch.setattr(timing_told, "as_headers", lambda _: 1 / 0)
    client = Client(Engine())
    with hook_failures("told", 1):
        await client.call(headers=ASKS)
    assert (client.status, client.body) == (200, b"{}")


def test_a_phase_that_is_cut_off_is_left_out() -> None:
    cut = (Phase("queue", 0.0, 0.5), Phase("prefill", 0.5, 1.0, complete=False))
    assert timing_told.as_headers(record(phases=cut)) == {"server-timing": "queue;dur=500.000"}
    assert timing_told.as_headers(record(phases=())) == {}


def test_it_is_bounded_whatever_a_request_took() -> None:
    longest = tuple(Phase(name, 0.0, 86400.0) for name in PHASES)
    (text,) = timing_told.as_headers(record(phases=longest)).values()
    assert len(text) < 100
