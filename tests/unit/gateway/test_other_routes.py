"""Through vLLM's own /v1/responses and /v1/messages: one record each, whatever their form."""

import asyncio
import json
from typing import Any

import pytest
from vllm.exceptions import VLLMValidationError

from tests.unit.asgi import PATIENCE, Client, Install, comes, end
from tests.unit.other_routes import (
    ASKED,
    COUNT,
    IMAGE_TOKENS,
    MESSAGES,
    RESPONSES,
    Other,
    Reasoning,
)
from tests.unit.served import CACHED_TOKENS, PROMPT_TOKENS

BOTH = pytest.mark.parametrize("path", [RESPONSES, MESSAGES])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of the events of a stream."""
    found = [each.split("\n") for each in text.strip().split("\n\n")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in found
    ]


def answered(path: str, text: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """The response's id, and the usage that the caller was told."""
    if not stream:
        whole = json.loads(text)
        return whole["id"], whole["usage"]
    found = dict(events(text))
    if path == RESPONSES:
        response = found["response.completed"]["response"]
        return response["id"], response["usage"]
    return found["message_start"]["message"]["id"], found["message_delta"]["usage"]


@BOTH
@STREAMED
async def test_one_record_with_the_usage_of_the_engine(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    records, app = install(), Other(monkeypatch)
    answer = await app.post(path, {**ASKED[path], "stream": stream})
    assert answer.status_code == 200, answer.text
    (found,) = records
    assert end(found) == ("ok", "length", 200)
    assert (found.operation, found.route, found.stream) == ("chat", path, stream)
    used = found.usage
    assert (used.input_tokens, used.cached_input_tokens) == (PROMPT_TOKENS, CACHED_TOKENS)
    assert used.output_tokens == 3
    assert found.parts.image == IMAGE_TOKENS
    assert (found.parts.audio, found.parts.video, found.parts.reasoning) == (None, None, None)
    response_id, usage = answered(path, answer.text, stream)
    assert response_id == found.response_id
    assert response_id.endswith(f"{found.trace_id}-{found.span_id}")
    assert usage["output_tokens"] == 1
    assert dict(found.parameters)["max_tokens"] == 3


@BOTH
@STREAMED
async def test_reasoning_tokens_are_those_that_vllm_tells(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    records, app = install(), Other(monkeypatch, Reasoning)
    answer = await app.post(path, {**ASKED[path], "stream": stream})
    assert answer.status_code == 200, answer.text
    assert records[0].parts.reasoning == 1
    assert records[0].usage.output_tokens == 3


async def test_a_response_has_no_name_of_the_callers_and_is_kept_by_nobody(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, app = install(), Other(monkeypatch)
    # vLLM would keep it: `store` left out is true, and its store is on here.
    answer = await app.post(RESPONSES, {**ASKED[RESPONSES], "request_id": "chosen"})
    assert answer.json()["id"] == f"resp_{records[0].trace_id}-{records[0].span_id}"
    assert (app.responses.response_store, app.responses.msg_store) == ({}, {})
    assert "chosen" not in answer.text


@BOTH
@STREAMED
async def test_an_engine_that_fails_is_a_servers_error_in_the_form_of_the_route(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    records, app = install(), Other(monkeypatch)
    app.core.fails = KeyError("text of a prompt")
    answer = await app.post(path, {**ASKED[path], "stream": stream})
    (found,) = records
    assert (found.outcome, found.reason) == ("server_error", "exception")
    assert found.usage.input_tokens == PROMPT_TOKENS
    if stream:
        name, said = events(answer.text)[-1]
        assert (name, said["type"]) == ("error", "error")
        assert said["error"]["message"]
    else:
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "InternalServerError"


async def test_what_the_engine_refuses_in_a_stream_is_told_as_the_callers_error(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, app = install(), Other(monkeypatch)
    app.core.fails = VLLMValidationError("a bad grammar")
    answer = await app.post(RESPONSES, {**ASKED[RESPONSES], "stream": True})
    assert end(records[0]) == ("client_error", "bad_request", 200)
    name, said = events(answer.text)[-1]
    assert (name, said["code"], said["error"]["code"]) == ("error", "bad_request", 400)
    assert "a bad grammar" in said["message"]


@BOTH
async def test_what_vllm_refuses_is_the_callers_error(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    records, app = install(), Other(monkeypatch)
    unknown = await app.post(path, {**ASKED[path], "model": "no-such"})
    app.responses.online_renderer.raises = VLLMValidationError("too long")
    app.messages.online_renderer.raises = VLLMValidationError("too long")
    bad = await app.post(path, ASKED[path])
    assert (unknown.status_code, bad.status_code) == (404, 400)
    assert [end(each) for each in records] == [
        ("client_error", "unknown_model", 404), ("client_error", "bad_request", 400),
    ]  # fmt: skip


async def test_an_error_that_the_route_swallows_is_noted_with_its_place(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, app = install(), Other(monkeypatch)
    app.messages.online_renderer.raises = KeyError("text of a prompt")
    answer = await app.post(MESSAGES, ASKED[MESSAGES])
    assert answer.status_code == 500
    assert (records[0].outcome, records[0].error_type) == ("server_error", "KeyError")


async def test_counting_tokens_runs_no_model(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, app = install(), Other(monkeypatch)
    answer = await app.post(COUNT, {k: ASKED[MESSAGES][k] for k in ("model", "messages")})
    assert answer.json()["input_tokens"] == PROMPT_TOKENS
    assert end(records[0]) == ("ok", "complete", 200)
    assert (records[0].operation, records[0].phases) == ("other", ())
    assert app.core.tokens == []


@BOTH
@STREAMED
async def test_who_asks_is_told_its_cost_where_the_route_tells_its_usage(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    from server.pricing.request_cost import CostTracker
    from tests.unit.helpers import entry, in_force

    install(costs=CostTracker(in_force(entry("*", "0.10", "0.05", "0.40"))))
    app = Other(monkeypatch)
    body = {**ASKED[path], "stream": stream}
    answer = await app.post(path, body, **{"x-llm-cost": "include"})
    # 8 tokens at 0.10, 4 cached at 0.05, 3 out at 0.40.
    if stream:
        _, usage = answered(path, answer.text, stream)
        assert usage["cost_microdollars"] == pytest.approx(2.2)
        names = [name for name, _ in events(answer.text)]
        assert names[-1] in ("response.completed", "message_stop")
    else:
        assert float(answer.headers["x-llm-cost-microdollars"]) == pytest.approx(2.2)


@BOTH
@STREAMED
async def test_who_leaves_ends_the_answer_in_the_engine(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    records, app = install(), Other(monkeypatch)
    queue = app.hang(monkeypatch)
    client = Client(app.inner)
    client.connection = {"query_string": b"", "scheme": "http", "server": ("test", 80)}
    body = json.dumps({**ASKED[path], "stream": stream}).encode()
    asking = {"content-type": "application/json"}
    running = asyncio.create_task(client.call(path=path, headers=asking, body=(body,)))
    await comes(queue.waits)
    client.leave()
    await asyncio.wait_for(running, PATIENCE)
    assert app.core.aborted == ["an-id"]
    assert end(records[0])[:2] == ("aborted", "client_disconnect")
