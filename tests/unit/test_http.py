"""The middleware in real ASGI conversations with a small application inside."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import http, live, logs, metrics, red
from server.cost import CostTracker
from server.http import Middleware
from server.journal import Journal
from server.live import LiveRequest
from server.observer import Observer
from server.record import RequestRecord
from server.routes import Routes
from server.tenants import Tenants
from server.tracing import Tracing
from tests.unit.helpers import TRACE_ID, delta, hook_failures, settings, total

CHAT = "/v1/chat/completions"
BODY = b'{"model": "tiny-llama", "stream": true}'
KEY = "key-of-a-test"
KEY_DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


class Client:
    """Speaks ASGI to the middleware and keeps what came back."""

    def __init__(self, app: ASGIApp, hold: bool = False) -> None:
        self._app = Middleware(app)
        self._hold = hold
        self._gone = asyncio.Event()
        self.sent: list[Message] = []
        self.received = 0

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def call(
        self,
        method: str = "POST",
        path: str = CHAT,
        headers: dict[str, str] | None = None,
        body: tuple[bytes, ...] = (BODY,),
    ) -> None:
        chunks = list(body)

        async def receive() -> Message:
            if chunks and not self._gone.is_set():
                chunk = chunks.pop(0)
                self.received += len(chunk)
                return {"type": "http.request", "body": chunk, "more_body": self._more(chunks)}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        pairs = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": pairs}
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


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs an observer; returns the list that its records are appended to."""

    def build(
        tenants: Tenants | None = None, journal: Journal | None = None, **changes: Any
    ) -> list[RequestRecord]:
        observer = Observer(
            settings(**changes),
            tenants or Tenants({}),
            Routes(["generate"], tokenize=False),
            ["tiny-llama"],
            CostTracker(()),
            Tracing(Resource({}), None),
            journal or Journal(None),
        )
        monkeypatch.setattr(http, "_observer", observer)
        records: list[RequestRecord] = []
        original = red.observe

        def observe(record: RequestRecord) -> None:
            records.append(record)
            original(record)

        monkeypatch.setattr(red, "observe", observe)
        return records

    return build


def end(record: RequestRecord) -> tuple[str, str, int | None]:
    return record.outcome.value, record.reason, record.status_code


def assert_our_headers(client: Client, record: RequestRecord) -> None:
    assert client.headers["x-trace-id"] == record.trace_id
    assert client.headers["traceresponse"] == f"00-{record.trace_id}-{record.span_id}-01"
    assert len(record.trace_id) == 32


async def test_an_answer_passes_with_our_headers_and_one_record(install: Install) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    await client.call()
    assert (client.status, client.body, client.ended) == (200, b"fine.", True)
    assert client.headers["content-type"] == "text/plain"
    assert inner.bodies == [BODY]
    assert [end(r) for r in records] == [("ok", "complete", 200)]
    assert_our_headers(client, records[0])
    assert (records[0].model, records[0].stream, records[0].tenant) == (
        "tiny-llama",
        True,
        "default",
    )


async def test_a_body_in_pieces_reaches_the_application_whole(install: Install) -> None:
    install()
    inner = Inner()
    await Client(inner).call(body=(BODY[:5], b"", BODY[5:]))
    assert inner.bodies == [BODY]


async def test_the_callers_ids_never_reach_vllm(install: Install) -> None:
    records, inner = install(), Inner()
    await Client(inner).call(
        headers={
            "x-request-id": "chosen-by-client",
            "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-00",
            "tracestate": "a=b",
            "baggage": "user=1",
            "accept": "*/*",
        }
    )
    request_id = f"{records[0].trace_id}-{records[0].span_id}".encode()
    assert inner.headers() == [(b"accept", b"*/*"), (b"x-request-id", request_id)]
    assert records[0].trace_id == TRACE_ID


async def test_a_traceparent_without_a_known_key_is_not_believed(install: Install) -> None:
    records = install(Tenants({KEY_DIGEST: "acme"}))
    client = Client(Inner())
    await client.call(headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
    assert records[0].trace_id != TRACE_ID
    assert_our_headers(client, records[0])


async def test_unknown_keys_get_401_and_known_ones_their_tenant(install: Install) -> None:
    records, inner = install(Tenants({KEY_DIGEST: "acme"})), Inner()
    refused = Client(inner)
    await refused.call(headers={"authorization": "Bearer wrong"})
    assert (refused.status, refused.error["type"]) == (401, "auth")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "wrong" not in refused.error["message"]
    assert_our_headers(refused, records[0])
    assert inner.scopes == []
    served = Client(inner)
    await served.call(headers={"authorization": f"Bearer {KEY}"})
    assert [(r.tenant, *end(r)) for r in records] == [
        ("other", "client_error", "auth", 401),
        ("acme", "ok", "complete", 200),
    ]


async def test_probes_need_no_key_and_are_not_in_red(install: Install) -> None:
    records, inner = install(Tenants({KEY_DIGEST: "acme"})), Inner()
    before = total("llm_requests", "llm_requests_total")
    for path in ("/health", "/version"):
        client = Client(inner)
        await client.call("GET", path, body=())
        assert client.status == 200
        assert len(client.headers["x-trace-id"]) == 32
    assert records == []
    assert total("llm_requests", "llm_requests_total") == before


REFUSALS = [
    ("POST", "/metrics", 404, "unknown_route", "other"),
    ("GET", "/secret-text-of-a-caller", 404, "unknown_route", "other"),
    ("GET", CHAT, 405, "method_not_allowed", CHAT),
    ("POST", "/v1/embeddings", 400, "unsupported_operation", "/v1/embeddings"),
]


@pytest.mark.parametrize(("method", "path", "status", "reason", "route"), REFUSALS)
async def test_a_refusal_has_a_reason_our_headers_and_a_record(
    install: Install, method: str, path: str, status: int, reason: str, route: str
) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    await client.call(method, path)
    assert inner.scopes == []
    assert (client.status, client.error["type"], client.error["code"]) == (status, reason, status)
    assert client.headers["content-type"] == "application/json"
    assert int(client.headers["content-length"]) == len(client.body)
    assert_our_headers(client, records[0])
    assert end(records[0]) == ("client_error", reason, status)
    assert (records[0].route, records[0].model) == (route, "other")


async def test_a_large_body_is_read_to_its_end_and_refused(install: Install) -> None:
    records, inner = install(max_body_bytes=100), Inner()
    client = Client(inner)
    # The Content-Length lies, as it may: bytes are counted.
    await client.call(headers={"content-length": "1"}, body=(b"x" * 60, b"x" * 41, b"x" * 60))
    assert (client.status, client.error["type"]) == (413, "too_large")
    assert client.headers["connection"] == "close"
    assert client.received == 161
    assert inner.scopes == []
    assert_our_headers(client, records[0])
    assert end(records[0]) == ("client_error", "too_large", 413)


async def test_draining_stops_at_four_times_the_limit(install: Install) -> None:
    install(max_body_bytes=100)
    client = Client(Inner())
    await client.call(body=(b"x" * 100,) * 50)
    assert (client.status, client.received) == (413, 500)


async def test_a_body_of_exactly_the_limit_is_taken(install: Install) -> None:
    install(max_body_bytes=100)
    client = Client(Inner())
    await client.call(body=(b"x" * 100,))
    assert client.status == 200


@pytest.mark.parametrize(
    ("body", "status", "model", "reason"),
    [
        (b"{", 400, "other", "invalid_json"),
        (b"[1]", 400, "other", "bad_request"),
        (b'{"model": 5}', 400, "other", "bad_request"),
        (b'{"model": "no-such"}', 404, "other", "unknown_model"),
        (b'{"model": "tiny-llama"}', 400, "tiny-llama", "bad_request"),
        (b"{}", 400, "tiny-llama", "bad_request"),
        (b'{"model": null}', 400, "tiny-llama", "bad_request"),
    ],
)
async def test_what_vllm_refuses_is_a_client_error_of_a_bounded_model(
    install: Install, body: bytes, status: int, model: str, reason: str
) -> None:
    records = install()
    client = Client(Inner(status))
    await client.call(body=(body,))
    assert end(records[0]) == ("client_error", reason, status)
    assert records[0].model == model
    assert_our_headers(client, records[0])


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
        self.told: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if self._begin:
            await _begin_stream(send)
        self.told.append((await receive())["type"])
        # vLLM answers 200 with `null` here; nobody may see it.
        if not self._begin:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"null"})


async def test_a_deadline_before_the_answer_is_a_504(install: Install) -> None:
    records, inner = install(deadline_seconds=0.05), Waiting(begin=False)
    client = Client(inner)
    await client.call()
    assert inner.told == ["http.disconnect"]
    assert (client.status, client.error["type"]) == (504, "deadline")
    assert "0.05 s" in client.error["message"]
    assert_our_headers(client, records[0])
    assert end(records[0]) == ("timeout", "deadline", 504)
    assert records[0].duration_seconds is not None
    assert 0.05 <= records[0].duration_seconds < 1.0


async def test_a_deadline_mid_stream_ends_it_with_an_error_event(install: Install) -> None:
    records, inner = install(deadline_seconds=0.05), Waiting(begin=True)
    client = Client(inner)
    await client.call()
    assert inner.told == ["http.disconnect"]
    _assert_error_event(client, "deadline", 504)
    assert end(records[0]) == ("timeout", "deadline", 200)


async def test_a_body_that_never_ends_meets_the_deadline(install: Install) -> None:
    records, inner = install(deadline_seconds=0.05), Inner()
    client = Client(inner, hold=True)
    await client.call()
    assert (client.status, inner.scopes) == (504, [])
    assert end(records[0]) == ("timeout", "deadline", 504)


async def test_a_client_that_leaves_mid_stream_is_aborted(install: Install) -> None:
    records, inner = install(), Waiting(begin=True)
    client = Client(inner)
    running = asyncio.create_task(client.call())
    await asyncio.sleep(0.02)
    client.leave()
    await asyncio.wait_for(running, 1)
    assert inner.told == ["http.disconnect"]
    assert end(records[0]) == ("aborted", "client_disconnect", 200)


async def test_a_client_that_leaves_while_sending_is_aborted(install: Install) -> None:
    records, inner = install(), Inner()
    client = Client(inner, hold=True)
    running = asyncio.create_task(client.call())
    await asyncio.sleep(0.02)
    client.leave()
    await asyncio.wait_for(running, 1)
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
    async def tidies_up(scope: Scope, receive: Receive, send: Send) -> None:
        await Inner()(scope, receive, send)
        await asyncio.sleep(0.15)

    records = install()
    await Client(tidies_up).call()
    assert records[0].duration_seconds is not None
    assert records[0].duration_seconds < 0.1


async def test_in_flight_rises_and_falls(install: Install) -> None:
    install()
    grown = delta("llm_requests_in_flight", model="tiny-llama")
    during: list[float] = []

    async def looks(scope: Scope, receive: Receive, send: Send) -> None:
        during.append(grown())
        await Inner()(scope, receive, send)

    await Client(looks).call()
    assert (during, grown()) == ([1.0], 0.0)


async def test_the_running_request_is_current_only_meanwhile(install: Install) -> None:
    records = install()
    seen: list[LiveRequest | None] = []

    async def looks(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(live.CURRENT.get())
        await Inner()(scope, receive, send)

    await Client(looks).call()
    assert seen[0] is not None
    assert seen[0].trace_id == records[0].trace_id
    assert live.CURRENT.get() is None


async def test_two_requests_at_once_are_two_records(install: Install) -> None:
    records = install()
    clients = [Client(Inner()) for _ in range(2)]
    await asyncio.gather(*(client.call() for client in clients))
    assert {c.headers["x-trace-id"] for c in clients} == {r.trace_id for r in records}
    assert len({r.trace_id for r in records}) == 2


async def test_a_websocket_is_closed(install: Install) -> None:
    install()
    inner, sent = Inner(), []

    async def send(message: Message) -> None:
        sent.append(message)

    await Middleware(inner)({"type": "websocket", "path": "/v1/realtime"}, _never, send)
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]
    assert inner.scopes == []


async def test_the_lifespan_passes(install: Install) -> None:
    install()
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await Middleware(app)({"type": "lifespan"}, _never, _ignore)
    assert seen == ["lifespan"]


async def _never() -> Message:
    return await asyncio.Future()


async def _ignore(message: Message) -> None:
    return None


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
    (Observer, "accept", "accept"),
    (CostTracker, "cost", "cost"),
    (CostTracker, "observe", "cost_metrics"),
    (red, "observe", "red"),
    (logs, "request_finished", "logs"),
    (Journal, "begin", "accept"),
    (Journal, "end", "journal"),
    (LiveRequest, "to_record", "record"),
    (metrics.IN_FLIGHT, "labels", "accept"),
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
        monkeypatch.setattr(metrics.IN_FLIGHT, "labels", _once(metrics.IN_FLIGHT.labels))
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
    monkeypatch.setattr(logs, "request_finished", lambda record, cost: lines.append(record))
    await Client(Inner()).call()
    assert [end(line) for line in lines] == [("ok", "complete", 200)]


async def test_the_journal_is_empty_after_an_answer(install: Install, tmp_path: Any) -> None:
    install(journal=Journal(tmp_path))
    during: list[int] = []

    async def looks(scope: Scope, receive: Receive, send: Send) -> None:
        during.append(len(list((tmp_path / "in-flight").iterdir())))
        await Inner()(scope, receive, send)

    await Client(looks).call()
    assert during == [1]
    assert list((tmp_path / "in-flight").iterdir()) == []


async def test_a_request_is_not_ended_before_its_engine_calls(install: Install) -> None:
    records = install()

    async def leaves_a_call(scope: Scope, receive: Receive, send: Send) -> None:
        request = live.CURRENT.get()
        assert request is not None
        call = live.EngineCall()
        request.begin_call(call)

        def unwind() -> None:
            call.finish_reasons.append("length")
            request.end_call()

        asyncio.get_running_loop().call_later(0.05, unwind)
        await Inner()(scope, receive, send)

    await Client(leaves_a_call).call()
    assert end(records[0]) == ("ok", "length", 200)
