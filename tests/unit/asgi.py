"""Conversations with the middleware: a client that speaks ASGI and applications inside."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.gateway import connection, middleware
from server.gateway.api_keys import Tenants
from server.gateway.cors import Cors
from server.gateway.gate import Gate
from server.gateway.middleware import Middleware
from server.gateway.routes import Routes
from server.ledger.calendar import Periods
from server.ledger.device_ledger import Ledger
from server.pricing.request_cost import CostTracker
from server.readiness.state import Readiness
from server.record.request import RequestRecord
from server.requests.in_flight_journal import Journal
from server.requests.lifecycle import Observer
from server.requests.models import Models
from server.signals import red
from server.signals.tracing import Tracing
from tests.unit.helpers import in_force, settings

CHAT = "/v1/chat/completions"
BODY = b'{"model": "tiny-llama", "stream": true}'
KEY = "key-of-a-test"
NO_PAGES = Cors()
PATIENCE = 30.0
"""Seconds for what has to come about; less would ask how fast the machine is."""
KEY_DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


class Client:
    """Speaks ASGI to the middleware and keeps what came back."""

    def __init__(self, app: ASGIApp, hold: bool = False) -> None:
        self._app = Middleware(app)
        self._hold = hold
        self._gone = asyncio.Event()
        self.silent = asyncio.Event()
        """It has sent all that it will, and the server waits for more of it."""
        self.stuck = asyncio.Event()
        """A message waits for it to read on."""
        self.asgi = {"version": "3.0", "spec_version": "2.3"}
        self.connection: dict[str, Any] = {}
        self.takes = sys.maxsize
        self.sent: list[Message] = []
        self.received = 0

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    def stop_reading(self, after: int = 0) -> None:
        """Take no message after so many, and keep the connection open."""
        self.takes = after

    async def call(
        self,
        method: str = "POST",
        path: str = CHAT,
        headers: dict[str, str] | None = None,
        body: tuple[bytes, ...] = (BODY,),
        again: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Ask; `again` are headers whose names may stand twice."""
        chunks = list(body)

        async def receive() -> Message:
            if chunks and not self._gone.is_set():
                chunk = chunks.pop(0)
                self.received += len(chunk)
                return {"type": "http.request", "body": chunk, "more_body": self._more(chunks)}
            self.silent.set()
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if len(self.sent) >= self.takes:
                self.stuck.set()
                await asyncio.Future()
            self.sent.append(message)

        pairs = [(k.encode(), v.encode()) for k, v in (*(headers or {}).items(), *again)]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": pairs,
            "asgi": self.asgi,
            **self.connection,
        }
        await self._app(scope, receive, send)

    def _more(self, chunks: list[bytes]) -> bool:
        return bool(chunks) or self._hold

    @property
    def status(self) -> int:
        starts = [m["status"] for m in self.sent if m["type"] == "http.response.start"]
        assert len(starts) == 1
        return int(starts[0])

    @property
    def headers(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.sent if m["type"] == "http.response.body")

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found

    @property
    def ended(self) -> bool:
        return not self.sent[-1].get("more_body", False)


async def comes(event: asyncio.Event) -> None:
    """Wait for what has to come about."""
    await asyncio.wait_for(event.wait(), PATIENCE)


class Deadline:
    """Passes when the test says so: by the clock, a slow machine may not have begun by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed = False
        self.seconds = 0.0
        """What was left of it when it was last waited for."""
        ours = {**vars(asyncio), "timeout": self._timeout}
        monkeypatch.setattr(connection, "asyncio", SimpleNamespace(**ours))

    def _timeout(self, seconds: float) -> asyncio.Timeout:
        self.seconds = seconds
        self._wait = asyncio.timeout(0.0 if self._passed else seconds)
        return self._wait

    def expire(self) -> None:
        self._passed = True
        self._wait.reschedule(asyncio.get_running_loop().time())


class Inner:
    """The application inside: answers 200 and keeps what it was given."""

    def __init__(self, status: int = 200) -> None:
        self._status = status
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.bodies.append((await receive())["body"])
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": b"fine", "more_body": True})
        await send({"type": "http.response.body", "body": b"."})

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(bytes(k), bytes(v)) for k, v in self.scopes[0]["headers"]]


Install = Callable[..., list[RequestRecord]]


def end(record: RequestRecord) -> tuple[str, str, int | None]:
    return record.outcome.value, record.reason, record.status_code


def assert_our_headers(client: Client, record: RequestRecord) -> None:
    assert client.headers["x-trace-id"] == record.trace_id
    assert client.headers["traceresponse"] == f"00-{record.trace_id}-{record.span_id}-01"
    assert len(record.trace_id) == 32


def ready() -> Readiness:
    """Of a server that serves."""
    found = Readiness()
    found.start()
    return found


def gate(
    tenants: Tenants | None = None,
    journal: Journal | None = None,
    ledger: Ledger | None = None,
    costs: CostTracker | None = None,
    models: Models | None = None,
    cors: Cors = NO_PAGES,
    task: str = "generate",
    readiness: Readiness | None = None,
    together_seconds: float = 0.0,
    **changes: Any,
) -> Gate:
    """A gate as the assembly makes it, of parts that keep nothing unless they are given."""
    known, routes = tenants or Tenants({}), Routes([task], tokenize=task == "embed")
    observer = Observer(
        known.names,
        routes.operations,
        models or Models(["tiny-llama"]),
        costs or CostTracker(in_force()),
        Tracing(Resource({}), None),
        journal or Journal(None),
        Periods(),
        ledger,
        together_seconds,
    )
    return Gate(observer, routes, known, settings(**changes), cors, readiness or ready())


def installer(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a gate; returns the list that its observer's records are appended to."""

    def build(tenants: Tenants | None = None, **parts: Any) -> list[RequestRecord]:
        monkeypatch.setattr(middleware, "_gate", gate(tenants, **parts))
        records: list[RequestRecord] = []
        original = red.observe

        def observe(record: RequestRecord) -> None:
            records.append(record)
            original(record)

        monkeypatch.setattr(red, "observe", observe)
        return records

    return build
