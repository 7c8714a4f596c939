"""Telling a caller its cost: only who asks, in a header or in the usage event, never a guess."""

import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from server.gateway import cost_told
from server.pricing.request_cost import CostTracker
from server.settings import Tell
from tests.unit.asgi import Client, Install
from tests.unit.helpers import GPU, entry, in_force, record

PATH = "/v1/chat/completions"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
EVENT = b"data: " + json.dumps({"choices": [], "usage": USAGE}, separators=(",", ":")).encode()
TOKEN = b'data: {"choices":[{"delta":{"content":"\\"usage\\":{"}}],"usage":null}\n\n'


class Answer:
    """An application that answers with JSON or a stream of events."""

    def __init__(self, kind: bytes, *bodies: bytes) -> None:
        self._kind = kind
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", self._kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for body in self._bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(params=[Tell.ALL])
def priced(install: Install, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """A server where every request cost 16.5 µ$ by the price list and 1.234 µ$ of device time."""
    from server.requests.lifecycle import Observer

    prices = in_force(entry("*", "0.10", "0.05", "0.40"))
    install(costs=CostTracker(prices), tell_cost=request.param)
    monkeypatch.setattr(Observer, "cost", lambda *_: cost_told.Decimal("16.5"))
    monkeypatch.setattr(Observer, "freeze", lambda *_: record(gpu=GPU))


async def call(app: Any, *headers: tuple[str, str]) -> Client:
    client = Client(app)
    await client.call(headers=dict(headers))
    return client


@pytest.mark.usefixtures("priced")
async def test_who_asks_is_told_in_headers() -> None:
    client = await call(Answer(b"application/json", b"{}"), ("x-llm-cost", "include"))
    assert client.headers["x-llm-cost-microdollars"] == "16.5"
    assert client.headers["x-llm-gpu-cost-microdollars"] == "1.234"
    assert client.body == b"{}"


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize("headers", [[], [("x-llm-cost", "yes")], [("x-llm-cost", "")]])
async def test_who_does_not_ask_is_not(headers: list[tuple[str, str]]) -> None:
    client = await call(Answer(b"application/json", b"{}"), *headers)
    assert not [name for name in client.headers if name.startswith("x-llm-")]


@pytest.mark.usefixtures("priced")
async def test_a_stream_has_it_in_its_usage_event() -> None:
    stream = Answer(
        b"text/event-stream; charset=utf-8", TOKEN, EVENT + b"\n\n", b"data: [DONE]\n\n"
    )
    client = await call(stream, ("x-llm-cost", "Include"))
    assert not [name for name in client.headers if name.startswith("x-llm-")]
    first, second, done, _ = client.body.split(b"\n\n")
    assert (first + b"\n\n", done) == (TOKEN, b"data: [DONE]")
    usage = json.loads(second.removeprefix(b"data: "))["usage"]
    assert usage == {**USAGE, "cost_microdollars": 16.5, "gpu_cost_microdollars": 1.234}


TOLD = {
    Tell.OFF: {},
    Tell.PRICE: {"cost_microdollars": 16.5},
    Tell.ALL: {"cost_microdollars": 16.5, "gpu_cost_microdollars": 1.234},
}


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize(("priced", "amounts"), TOLD.items(), indirect=["priced"])
async def test_what_a_caller_may_know_is_the_operators_choice(amounts: dict[str, float]) -> None:
    client = await call(Answer(b"application/json", b"{}"), ("x-llm-cost", "include"))
    found = {name: float(value) for name, value in client.headers.items() if "cost" in name}
    assert found == {f"x-llm-{name.replace('_', '-')}": value for name, value in amounts.items()}
    stream = Answer(b"text/event-stream", EVENT + b"\n\n")
    client = await call(stream, ("x-llm-cost", "include"))
    assert json.loads(client.body.removeprefix(b"data: "))["usage"] == {**USAGE, **amounts}


def test_what_is_not_known_is_left_out() -> None:
    assert cost_told.amounts(record(), None, Tell.ALL) == {}
    assert cost_told.amounts(record(gpu=GPU), None, Tell.ALL) == {"gpu_cost_microdollars": 1.234}
    assert cost_told.amounts(record(gpu=GPU), None, Tell.PRICE) == {}


@pytest.mark.parametrize("body", [b'data: {"choices":[],"usage":{', b"data: {}", TOKEN])
def test_an_event_that_is_no_usage_event_passes_unchanged(body: bytes) -> None:
    assert cost_told.into_usage_event(body, {"cost_microdollars": 1.0}) == body
