"""GET /ready: answered to anybody, at any time, past all that observes a request."""

import json

import pytest
from starlette.types import Receive, Scope, Send

from server.gateway.api_keys import Tenants
from server.gateway.middleware import Middleware
from server.readiness.state import Readiness
from tests.unit.asgi import KEY_DIGEST, Client, Inner, Install, ready
from tests.unit.helpers import total


async def test_a_ready_server_says_so(install: Install) -> None:
    records, inner = install(Tenants({KEY_DIGEST: "acme"})), Inner()
    client = Client(inner)
    await client.call("GET", "/ready", body=())
    assert (client.status, json.loads(client.body)) == (200, {"ready": True})
    assert client.headers["content-type"] == "application/json"
    assert client.headers["cache-control"] == "no-store"
    assert int(client.headers["content-length"]) == len(client.body)
    assert (records, inner.scopes) == ([], []), "neither a record nor a question to vLLM"


async def test_it_leaves_no_span_and_no_count(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.requests.lifecycle import Observer

    install()
    monkeypatch.setattr(Observer, "begin", lambda *_: pytest.fail("it was observed"))
    before = total("llm_requests", "llm_requests_total")
    client = Client(Inner())
    await client.call("GET", "/ready", body=())
    assert client.status == 200
    assert "x-trace-id" not in client.headers
    assert total("llm_requests", "llm_requests_total") == before


async def test_one_that_is_not_ready_gives_the_reason(install: Install) -> None:
    state = ready()
    install(readiness=state)
    state.stall(True)
    client = Client(Inner())
    await client.call("GET", "/ready", body=())
    said = json.loads(client.body)
    assert (client.status, said["ready"], said["reason"]) == (503, False, "engine_stalled")
    assert set(said) == {"ready", "reason", "for_seconds"}
    health = Client(Inner())
    await health.call("GET", "/health", body=())
    assert health.status == 200, "which is vLLM's"


async def test_head_has_the_same_answer_without_its_body(install: Install) -> None:
    state = ready()
    install(readiness=state)
    state.drain()
    client = Client(Inner())
    await client.call("HEAD", "/ready", body=())
    assert (client.status, client.body) == (503, b"")
    assert int(client.headers["content-length"]) > 0


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_another_method_is_refused_as_everywhere(install: Install, method: str) -> None:
    records = install()
    client = Client(Inner())
    await client.call(method, "/ready")
    assert (client.status, client.error["type"]) == (405, "method_not_allowed")
    assert [record.reason for record in records] == ["method_not_allowed"]


async def test_it_is_found_below_a_root_path(install: Install) -> None:
    install()
    client = Client(Inner())
    client.connection = {"root_path": "/llm"}
    await client.call("GET", "/llm/ready", body=())
    assert json.loads(client.body) == {"ready": True}


@pytest.mark.parametrize(
    ("message", "reason"),
    [("lifespan.startup.complete", None), ("lifespan.startup.failed", "starting")],
)
async def test_callers_are_heard_from_the_applications_start_on(
    install: Install, message: str, reason: str | None
) -> None:
    state = Readiness()
    install(readiness=state)
    sent = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": message})

    async def send(message: object) -> None:
        sent.append(message)

    assert state.reason == "starting"
    await Middleware(app)({"type": "lifespan"}, _nothing, send)
    assert state.reason == reason
    assert sent == [{"type": message}]


async def _nothing() -> dict[str, str]:
    return {}
