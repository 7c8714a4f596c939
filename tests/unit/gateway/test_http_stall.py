"""Callers that stop reading and applications that ask for nothing: the deadline is ours alone."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from vllm.entrypoints.launchers.launcher import NoSignalServer

from server.gateway import connection, exchange
from server.gateway.connection import Caller
from server.gateway.middleware import Middleware
from server.record.request import RequestRecord
from server.requests.engine_call import EngineCall
from server.requests.live_request import CURRENT, LiveRequest
from tests.unit import seamed
from tests.unit.asgi import CHAT, PATIENCE, Client, Deadline, Inner, Install, comes, end
from tests.unit.engine import request
from tests.unit.helpers import delta

CHUNK = b"data: " + b"x" * 65536 + b"\n\n"
FAR = 2 * PATIENCE
"""Seconds of a deadline that passes only when the test says so."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    seamed.prepared(monkeypatch)
    monkeypatch.setattr(exchange, "LISTEN_SECONDS", 0.1)
    monkeypatch.setattr(exchange, "UNWIND_SECONDS", 0.2)
    monkeypatch.setattr(exchange, "LAST_WORDS_SECONDS", 0.1)
    monkeypatch.setattr(connection, "LAST_WORDS_SECONDS", 0.1)


class Endless:
    """A route as vLLM's: its generator sends for ever, or waits for ever, and its end is noted."""

    def __init__(self, chunk: bytes | None = CHUNK) -> None:
        self._chunk = chunk
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> StreamingResponse:
        return StreamingResponse(self._generate(), media_type="text/event-stream")

    async def _generate(self) -> AsyncGenerator[bytes, None]:
        live = CURRENT.get()
        assert live is not None
        live.begin_call(EngineCall())
        self.begun.set()
        try:
            while True:
                if self._chunk is None:
                    await asyncio.Future()
                else:
                    yield self._chunk
        finally:
            live.end_call()
            self.ended.set()


@contextlib.asynccontextmanager
async def serving(route: Endless, protocol: Any) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The route behind our middleware on a real uvicorn; yields it and its port."""
    app = FastAPI()
    app.post(CHAT)(route.__call__)
    app.add_middleware(Middleware)
    sock = socket.create_server(("127.0.0.1", 0))
    server = NoSignalServer(uvicorn.Config(app, http=protocol, log_config=None))
    running = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server, sock.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, PATIENCE)


async def ask(port: int) -> socket.socket:
    """Send a request from a socket that takes next to nothing and is not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
    await loop.sock_sendall(sock, head.encode() + b"{}")
    return sock


async def is_stuck(server: uvicorn.Server, sock: socket.socket) -> None:
    """Wait until the answer has begun and its next piece waits for the caller to read."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        assert await loop.sock_recv(sock, 12) == b"HTTP/1.1 200"
        while not all(each.flow.write_paused for each in server.server_state.connections):
            await asyncio.sleep(0.01)


async def read_to_the_end(sock: socket.socket) -> None:
    """Read until the other side's end of it."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while await loop.sock_recv(sock, 65536):
                pass


async def recorded(records: list[RequestRecord]) -> RequestRecord:
    async with asyncio.timeout(PATIENCE):
        while not records:
            await asyncio.sleep(0.01)
    return records[0]


@pytest.fixture
def unwinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that was cancelled has ended before its request, however slow it all is."""
    monkeypatch.setattr(exchange, "LISTEN_SECONDS", PATIENCE)


@pytest.mark.parametrize("protocol", ["h11", "httptools"])
@pytest.mark.usefixtures("unwinds")
async def test_a_caller_that_stops_reading_ends_at_the_deadline(
    install: Install, deadline: Deadline, protocol: str
) -> None:
    records, route = install(deadline_seconds=FAR), Endless()
    grown = delta("llm_requests_in_flight", model="tiny-llama")
    async with serving(route, protocol) as (server, port):
        sock = await ask(port)
        await is_stuck(server, sock)
        deadline.expire()
        assert end(await recorded(records)) == ("timeout", "deadline", 200)
        assert grown() == 0
        assert route.ended.is_set(), "the engine would go on for nobody"
        async with asyncio.timeout(PATIENCE):
            while server.server_state.connections:
                await asyncio.sleep(0.01)
        await read_to_the_end(sock)
        sock.close()


@pytest.mark.parametrize("protocol", ["h11", "httptools"])
@pytest.mark.usefixtures("unwinds")
async def test_a_caller_that_leaves_while_it_does_not_read_is_aborted(
    install: Install, protocol: str
) -> None:
    records, route = install(deadline_seconds=FAR), Endless()
    async with serving(route, protocol) as (server, port):
        sock = await ask(port)
        await is_stuck(server, sock)
        sock.close()
        assert end(await recorded(records)) == ("aborted", "client_disconnect", 200)
        assert route.ended.is_set()


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("chunk", [CHUNK, None], ids=["sends", "waits"])
async def test_the_deadline_does_not_need_an_application_that_listens(
    install: Install, deadline: Deadline, spec: str, chunk: bytes | None
) -> None:
    # Starlette listens for a disconnect only where the server speaks ASGI below 2.4.
    records, route = install(deadline_seconds=FAR), Endless(chunk)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await route())(scope, receive, send)

    client = Client(app)
    client.stop_reading(after=2)
    client.asgi = {"spec_version": spec}
    running = asyncio.create_task(client.call())
    await comes(client.stuck if chunk else route.begun)
    deadline.expire()
    await asyncio.wait_for(running, PATIENCE)
    assert end(records[0])[:2] == ("timeout", "deadline")
    await comes(route.ended)


async def test_a_last_piece_that_nobody_takes_is_no_complete_answer(
    install: Install, deadline: Deadline
) -> None:
    records = install(deadline_seconds=FAR)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    client = Client(app)
    client.stop_reading(after=1)
    running = asyncio.create_task(client.call())
    await comes(client.stuck)
    deadline.expire()
    await asyncio.wait_for(running, PATIENCE)
    assert end(records[0]) == ("timeout", "deadline", 200)


async def test_an_application_that_refuses_to_end_is_left_behind(
    install: Install, deadline: Deadline, caplog: pytest.LogCaptureFixture
) -> None:
    records, begun, released = install(deadline_seconds=FAR), asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        raise ValueError("text of a prompt")

    client = Client(app)
    with caplog.at_level(logging.DEBUG):
        running = asyncio.create_task(client.call())
        await comes(begun)
        deadline.expire()
        await asyncio.wait_for(running, PATIENCE)
        assert end(records[0]) == ("timeout", "deadline", 504)
        released.set()
        await asyncio.sleep(0.01)
    assert "text of a prompt" not in caplog.text


async def test_an_application_that_cancels_itself_is_a_server_error(install: Install) -> None:
    records = install()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    client = Client(app)
    await client.call()
    assert client.status == 500
    assert end(records[0]) == ("server_error", "exception", 500)


async def test_a_server_that_stops_cancels_no_answer_before_it_could_unwind(
    install: Install,
) -> None:
    records, waits, told = install(), asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        waits.set()
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    running = asyncio.create_task(Client(app).call())
    await comes(waits)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await comes(told)
    assert end(records[0])[0] == "server_error"


async def test_a_refusal_to_a_caller_that_does_not_read_ends_too(install: Install) -> None:
    records = install()
    client = Client(Inner())
    client.stop_reading()
    await asyncio.wait_for(client.call("GET", CHAT), PATIENCE)
    assert end(records[0]) == ("client_error", "method_not_allowed", 405)


class Server:
    """What a receive() of uvicorn is a method of."""

    def __init__(self, unread: list[int]) -> None:
        self.aborted = 0
        self._unread = unread
        size, abort = self._size, self._abort
        self.transport = SimpleNamespace(get_write_buffer_size=size, abort=abort)

    def _size(self) -> int:
        return self._unread.pop(0) if len(self._unread) > 1 else self._unread[0]

    def _abort(self) -> None:
        self.aborted += 1

    async def receive(self) -> Message:
        return await asyncio.Future()


@pytest.mark.parametrize(
    ("unread", "words", "aborted"),
    [([0], PATIENCE, 0), ([9, 9, 0], PATIENCE, 0), ([9], 0.1, 1)],
)
async def test_what_is_not_read_after_the_deadline_is_cut(
    monkeypatch: pytest.MonkeyPatch, unread: list[int], words: float, aborted: int
) -> None:
    monkeypatch.setattr(connection, "LAST_WORDS_SECONDS", words)
    server, live = Server(unread), request()
    await _caller(live, server.receive).cut_unless_read()
    assert server.aborted == aborted


async def test_without_a_transport_there_is_nothing_to_cut() -> None:
    async def receive() -> Message:
        return await asyncio.Future()

    caller = _caller(request(), receive)
    caller.cut()
    await caller.cut_unless_read()


def _caller(live: LiveRequest, receive: Receive) -> Caller:
    return Caller(live, receive, deadline=0.0)
