"""The middleware: headers, ids, keys, refusals, probes and what else passes."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.gateway import middleware
from server.gateway.api_keys import Tenants
from server.gateway.middleware import Middleware
from server.requests import live_request
from server.requests.live_request import LiveRequest
from tests.unit.asgi import (
    BODY,
    CHAT,
    KEY_DIGEST,
    Client,
    Inner,
    Install,
    assert_our_headers,
    end,
)
from tests.unit.helpers import TRACE_ID, delta, total


async def test_an_answer_passes_with_our_headers_and_one_record(install: Install) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    await client.call()
    assert (client.status, client.body, client.ended) == (200, b"fine.", True)
    assert client.headers["content-type"] == "text/plain"
    assert inner.bodies == [BODY]
    assert [end(r) for r in records] == [("ok", "complete", 200)]
    assert_our_headers(client, records[0])
    assert (records[0].model, records[0].tenant) == ("tiny-llama", "default")
    assert not records[0].stream, "text/plain is no stream, whatever the body asked for"


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


async def test_a_name_that_stands_twice_passes_twice_both_ways(install: Install) -> None:
    records, inner = install(), Inner()
    twice = (("accept", "a/b"), ("accept", "c/d"), ("baggage", "a=1"), ("baggage", "b=2"))
    await Client(inner).call(again=twice)
    kept = [(b"accept", b"a/b"), (b"accept", b"c/d")]
    assert inner.headers()[:-1] == kept
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": cookies})
        await send({"type": "http.response.body", "body": b"fine"})

    client = Client(app)
    await client.call()
    assert client.sent[0]["headers"][:2] == cookies
    assert_our_headers(client, records[1])
    assert len(cookies) == 2, "what the application holds is its own"


async def test_the_record_knows_the_connection_it_came_by(install: Install) -> None:
    records, client = install(), Client(Inner())
    client.connection = {"scheme": "https", "server": ("10.0.0.1", 8000)}
    await client.call(headers={"host": "a-name-of-the-callers"})
    assert (records[0].scheme, records[0].listener) == ("https", ("10.0.0.1", 8000))
    await Client(Inner()).call()
    assert (records[1].scheme, records[1].listener) == (None, None)


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
        (b"[" * 100_000, 400, "other", "bad_request"),
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
        seen.append(live_request.CURRENT.get())
        await Inner()(scope, receive, send)

    await Client(looks).call()
    assert seen[0] is not None
    assert seen[0].trace_id == records[0].trace_id
    assert live_request.CURRENT.get() is None


async def test_two_requests_at_once_are_two_records(install: Install) -> None:
    records = install()
    clients = [Client(Inner()) for _ in range(2)]
    await asyncio.gather(*(client.call() for client in clients))
    assert {c.headers["x-trace-id"] for c in clients} == {r.trace_id for r in records}
    assert len({r.trace_id for r in records}) == 2


@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHAT), ("GET", "/health"), ("POST", "/scale_elastic_ep")]
)
async def test_without_an_observer_no_route_is_open(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(middleware, "_gate", None)
    inner = Inner()
    client = Client(inner)
    await client.call(method, path)
    assert (client.status, client.error["type"], client.ended) == (503, "not_observed", True)
    assert int(client.headers["content-length"]) == len(client.body)
    assert inner.scopes == []


@pytest.mark.parametrize("observed", [True, False])
async def test_a_websocket_is_closed(
    install: Install, monkeypatch: pytest.MonkeyPatch, observed: bool
) -> None:
    install()
    if not observed:
        monkeypatch.setattr(middleware, "_gate", None)
    inner, sent = Inner(), []

    async def send(message: Message) -> None:
        sent.append(message)

    await Middleware(inner)({"type": "websocket", "path": "/v1/realtime"}, _never, send)
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]
    assert inner.scopes == []


async def test_the_lifespan_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_gate", None)
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await Middleware(app)({"type": "lifespan"}, _never, _ignore)
    assert seen == ["lifespan"]


async def _never() -> Message:
    return await asyncio.Future()


async def _ignore(message: Message) -> None:
    return None
