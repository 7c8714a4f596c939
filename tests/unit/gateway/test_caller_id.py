"""The caller's x-request-id: kept and repeated where it is a plain id, and nobody's id inside."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.gateway.api_keys import Tenants
from tests.unit.asgi import BODY, KEY_DIGEST, Client, Inner, Install, end
from tests.unit.other_routes import ASKED, MESSAGES, RESPONSES, Other
from tests.unit.seamed import prepared
from tests.unit.served import served

GIVEN = "run-7.step_12"
SENT = {"x-request-id": GIVEN}


@pytest.mark.parametrize("given", ["a", "0", "._-", GIVEN, "A" * 128, "ID-" + "9" * 125])
async def test_a_plain_id_is_kept_and_repeated(install: Install, given: str) -> None:
    records, client = install(), Client(Inner())
    await client.call(headers={"x-request-id": given})
    assert records[0].caller_request_id == client.headers["x-request-id"] == given


OTHERS = {
    "empty": "",
    "long": "a" * 129,
    "spaces": "my request",
    "mail": "jane@example.org",
    "colon": "urn:1",
    "list": "a, b",
    "newline": "a\n",
    "digits of elsewhere": "١٢",
    "letters of elsewhere": "é",
    "markup": "<script>",
}


@pytest.mark.parametrize("given", OTHERS.values(), ids=OTHERS)
async def test_any_other_text_is_as_if_none_were_sent(install: Install, given: str) -> None:
    records, client = install(), Client(Inner())
    await client.call(headers={"x-request-id": given})
    assert client.status == 200
    assert records[0].caller_request_id is None
    assert "x-request-id" not in client.headers


async def test_of_two_ids_none_is_kept(install: Install) -> None:
    records, client = install(), Client(Inner())
    await client.call(again=(("x-request-id", "a"), ("x-request-id", "b")))
    assert records[0].caller_request_id is None
    assert "x-request-id" not in client.headers


async def test_who_sends_none_is_told_none(install: Install) -> None:
    records, client = install(), Client(Inner())
    await client.call()
    assert records[0].caller_request_id is None
    assert "x-request-id" not in client.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", BODY, 401),
        ("POST", "/nope", BODY, 404),
        ("PUT", "/v1/models", b"", 405),
        ("POST", "/v1/embeddings", BODY, 400),
        ("POST", "/v1/chat/completions", b'{"n": 100000}', 400),
        ("POST", "/v1/chat/completions", b"x" * 101, 413),
    ],
)
async def test_refusals_repeat_it(
    install: Install, method: str, path: str, body: bytes, status: int
) -> None:
    tenants = Tenants({KEY_DIGEST: "acme"}) if status == 401 else None
    records, client = install(tenants, max_body_bytes=100), Client(Inner())
    await client.call(method, path, SENT, (body,))
    assert (client.status, client.headers["x-request-id"]) == (status, GIVEN)
    assert records[0].caller_request_id == GIVEN


async def test_a_failure_of_ours_repeats_it(install: Install) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no")

    records, client = install(), Client(fails)
    await client.call(headers=SENT)
    assert (client.status, client.headers["x-request-id"]) == (500, GIVEN)
    assert (end(records[0])[0], records[0].caller_request_id) == ("server_error", GIVEN)


async def test_the_deadline_repeats_it(install: Install) -> None:
    records, client = install(deadline_seconds=0.05), Client(Inner(), hold=True)
    await client.call(headers=SENT)
    assert (client.status, client.headers["x-request-id"]) == (504, GIVEN)
    assert records[0].caller_request_id == GIVEN


async def test_a_stream_has_it_in_its_head(install: Install) -> None:
    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    records, client = install(), Client(streams)
    await client.call(headers=SENT)
    assert client.headers["x-request-id"] == GIVEN
    assert client.body == b"data: {}\n\ndata: [DONE]\n\n"
    assert (records[0].stream, records[0].caller_request_id) == (True, GIVEN)


async def test_it_stands_in_place_of_the_id_that_vllm_would_repeat(install: Install) -> None:
    async def repeats(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        inside = dict(scope["headers"])[b"x-request-id"]
        start: Message = {"type": "http.response.start", "status": 200}
        # vLLM's --enable-request-id-headers, which repeats what it was given: an id of ours.
        await send({**start, "headers": [(b"x-request-id", inside)]})
        await send({"type": "http.response.body", "body": b"fine"})

    records, client = install(), Client(repeats)
    await client.call(headers=SENT)
    heads = [value for name, value in client.sent[0]["headers"] if name == b"x-request-id"]
    assert heads == [GIVEN.encode()]
    await Client(repeats).call()
    assert [record.caller_request_id for record in records] == [GIVEN, None]


async def test_the_same_id_twice_at_once_is_two_requests_of_the_engine(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(monkeypatch)
    records = install()
    app = served(monkeypatch)
    body = {"model": "tiny-llama", "prompt": "a", "max_tokens": 2, "request_id": GIVEN}
    answers = await app.post_together("/v1/completions", body, SENT, times=3)
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.headers["x-request-id"] for answer in answers} == {GIVEN}
    assert len({answer.headers["x-trace-id"] for answer in answers}) == 3
    # vLLM makes its ids of the header that it is given, whatever header or body came in.
    assert len(app.core.asked) == len(set(app.core.asked)) == 3
    assert not [name for name in app.core.asked if GIVEN in name]
    assert {record.caller_request_id for record in records} == {GIVEN}
    assert [record.usage.output_tokens for record in records] == [2] * 3


@pytest.mark.parametrize("path", [RESPONSES, MESSAGES])
async def test_nor_do_doubles_meet_where_a_route_takes_its_ids_from_the_body(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    records, app = install(), Other(monkeypatch)
    body = {**ASKED[path], "request_id": GIVEN}
    answers = await asyncio.gather(*(app.post(path, body, **SENT) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.headers["x-request-id"] for answer in answers} == {GIVEN}
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert len(app.core.asked) == len(set(app.core.asked)) == 3
    assert not [name for name in app.core.asked if GIVEN in name]
    assert {record.caller_request_id for record in records} == {GIVEN}
