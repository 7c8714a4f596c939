"""How a request ends: errors, the deadline, clients that leave, engine calls that unwind."""

import asyncio
import json
import time

import pytest
from starlette.types import Receive, Scope, Send

from server.requests import live_request
from tests.unit.asgi import (
    PATIENCE,
    Client,
    Deadline,
    Inner,
    Install,
    assert_our_headers,
    comes,
    end,
)


async def test_an_exception_inside_is_a_500_with_our_headers(install: Install) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("text of a prompt")

    records = install()
    client = Client(broken)
    await client.call()
    assert (client.status, client.error["type"]) == (500, "internal_error")
    assert b"prompt" not in client.body
    assert_our_headers(client, records[0])
    assert end(records[0]) == ("server_error", "exception", 500)
    assert records[0].error_type == "KeyError"


async def test_an_exception_mid_stream_ends_it_with_an_error_event(install: Install) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await _begin_stream(send)
        raise ValueError("text of a prompt")

    records = install()
    client = Client(broken)
    await client.call()
    _assert_error_event(client, "internal_error", 500)
    assert end(records[0]) == ("server_error", "exception", 200)


async def _begin_stream(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})


def _assert_error_event(client: Client, reason: str, code: int) -> None:
    first, event, rest = client.body.split(b"\n\n")
    assert (first, rest) == (b"data: 1", b"")
    error = json.loads(event.removeprefix(b"data: "))["error"]
    assert (error["type"], error["code"]) == (reason, code)
    assert client.ended


class Waiting:
    """An application that answers nothing until it is told that the client is gone."""

    def __init__(self, begin: bool) -> None:
        self._begin = begin
        self.waits = asyncio.Event()
        self.told: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if self._begin:
            await _begin_stream(send)
        self.waits.set()
        self.told.append((await receive())["type"])
        # vLLM answers 200 with `null` here; nobody may see it.
        if not self._begin:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"null"})


async def _late(inner: Waiting, deadline: Deadline) -> Client:
    """A client whose deadline passes while the application waits."""
    client = Client(inner)
    running = asyncio.create_task(client.call())
    await comes(inner.waits)
    deadline.expire()
    await asyncio.wait_for(running, PATIENCE)
    return client


async def test_a_deadline_before_the_answer_is_a_504(install: Install, deadline: Deadline) -> None:
    records, inner = install(deadline_seconds=60.5), Waiting(begin=False)
    began = time.monotonic()
    client = await _late(inner, deadline)
    assert 60.5 - (time.monotonic() - began) <= deadline.seconds <= 60.5
    assert inner.told == ["http.disconnect"]
    assert (client.status, client.error["type"]) == (504, "deadline")
    assert "60.5 s" in client.error["message"]
    assert_our_headers(client, records[0])
    assert end(records[0]) == ("timeout", "deadline", 504)


async def test_a_deadline_mid_stream_ends_it_with_an_error_event(
    install: Install, deadline: Deadline
) -> None:
    records, inner = install(deadline_seconds=60), Waiting(begin=True)
    client = await _late(inner, deadline)
    assert inner.told == ["http.disconnect"]
    _assert_error_event(client, "deadline", 504)
    assert end(records[0]) == ("timeout", "deadline", 200)


async def test_a_body_that_never_ends_meets_the_deadline(install: Install) -> None:
    records, inner = install(deadline_seconds=0.05), Inner()
    client = Client(inner, hold=True)
    await client.call()
    assert (client.status, inner.scopes) == (504, [])
    assert end(records[0]) == ("timeout", "deadline", 504)
    assert records[0].duration_seconds is not None
    assert records[0].duration_seconds >= 0.05


async def test_a_client_that_leaves_mid_stream_is_aborted(install: Install) -> None:
    records, inner = install(), Waiting(begin=True)
    client = Client(inner)
    running = asyncio.create_task(client.call())
    await comes(inner.waits)
    client.leave()
    await asyncio.wait_for(running, PATIENCE)
    assert inner.told == ["http.disconnect"]
    assert end(records[0]) == ("aborted", "client_disconnect", 200)


async def test_a_client_that_leaves_while_sending_is_aborted(install: Install) -> None:
    records, inner = install(), Inner()
    client = Client(inner, hold=True)
    running = asyncio.create_task(client.call())
    await comes(client.silent)
    client.leave()
    await asyncio.wait_for(running, PATIENCE)
    assert (client.sent, inner.scopes) == ([], [])
    assert end(records[0]) == ("aborted", "client_disconnect", None)


async def test_a_disconnect_after_the_whole_answer_is_ok(install: Install) -> None:
    records = install()
    inner = Inner()

    async def listens_on(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        client.leave()
        assert (await receive())["type"] == "http.disconnect"

    client = Client(listens_on)
    await client.call()
    assert end(records[0]) == ("ok", "complete", 200)


async def test_the_duration_ends_with_the_last_byte(install: Install) -> None:
    moments: list[float] = []

    async def tidies_up(scope: Scope, receive: Receive, send: Send) -> None:
        await Inner()(scope, receive, send)
        moments.append(time.monotonic())
        await asyncio.sleep(0.05)

    records = install()
    moments.append(time.monotonic())
    await Client(tidies_up).call()
    assert records[0].duration_seconds is not None
    assert records[0].duration_seconds <= moments[1] - moments[0]


async def test_a_request_is_not_ended_before_its_engine_calls(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = install()
    monkeypatch.setattr(live_request, "FINAL_GRACE_SECONDS", PATIENCE)

    async def leaves_a_call(scope: Scope, receive: Receive, send: Send) -> None:
        request = live_request.CURRENT.get()
        assert request is not None
        call = live_request.EngineCall()
        request.begin_call(call)

        def unwind() -> None:
            call.finish_reasons.append("length")
            request.end_call()

        asyncio.get_running_loop().call_later(0.05, unwind)
        await Inner()(scope, receive, send)

    await Client(leaves_a_call).call()
    assert end(records[0]) == ("ok", "length", 200)
