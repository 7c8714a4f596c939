"""/v1/responses and /v1/messages on the running server: one record, whatever their form."""

import json
from typing import Any

import pytest

from tests.e2e.client import Client, Exchange
from tests.e2e.ledger import Ledger, assert_same_in_span_and_line, assert_tiles
from tests.e2e.stores import story

pytestmark = pytest.mark.e2e
RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
LONG = 1500
BOTH = pytest.mark.parametrize("path", [RESPONSES, MESSAGES])


def _asked(path: str, tokens: int) -> dict[str, Any]:
    if path == RESPONSES:
        return {"input": "One answer", "max_output_tokens": tokens, "temperature": 0}
    words = [{"role": "user", "content": "One answer"}]
    return {"messages": words, "max_tokens": tokens, "temperature": 0}


def _usage(path: str, sent: Exchange) -> dict[str, int]:
    """What the caller was told, as the engine counts: Anthropic's input is without the cached."""
    if sent.text.startswith("event: "):
        kind = "response.completed" if path == RESPONSES else "message_delta"
        (found,) = (event for event in sent.events if event["type"] == kind)
        usage = found["response"]["usage"] if path == RESPONSES else found["usage"]
    else:
        usage = json.loads(sent.text)["usage"]
    cached = usage.get("cache_read_input_tokens", 0)
    return {"in": usage["input_tokens"] + cached, "out": usage["output_tokens"]}


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_one_record_with_the_tokens_of_the_usage(client: Client, path: str, stream: bool) -> None:
    ledger = Ledger.open(client.model, "ok")
    body = {"model": client.model, **_asked(path, 16), "stream": stream}
    sent = client.send("POST", path, json=body)
    assert sent.status == 200, sent.text
    found = story(sent.trace_id)
    line, usage = found.finished, _usage(path, sent)
    assert (line["input_tokens"], line["output_tokens"]) == (usage["in"], usage["out"])
    assert (line["operation"], line["route"], line["stream"]) == ("chat", path, stream)
    assert line["response_id"] in sent.text
    assert line["response_id"].endswith(f"{line['trace_id']}-{line['span_id']}")
    assert_tiles(found)
    assert_same_in_span_and_line(found)
    ledger.check(line)


@BOTH
def test_an_aborted_stream_ends_in_the_engine_too(client: Client, path: str) -> None:
    sent = client.abort_stream(path, _asked(path, LONG), events=8)
    line = story(sent.trace_id).finished
    assert (line["outcome"], line["reason"]) == ("aborted", "client_disconnect")
    assert 0 < line["output_tokens"] < LONG // 2, "the engine went on for nobody"
    assert line["cost_microdollars"] > 0


def test_counting_tokens_is_recorded_and_costs_nothing(client: Client) -> None:
    words = {"model": client.model, "messages": [{"role": "user", "content": "One answer"}]}
    sent = client.send("POST", COUNT, json=words)
    assert json.loads(sent.text)["input_tokens"] > 0
    found = story(sent.trace_id)
    assert (found.finished["operation"], found.finished["outcome"]) == ("other", "ok")
    assert found.finished["input_tokens"] == 0
    assert found.phases == []
    assert_same_in_span_and_line(found)


@pytest.mark.parametrize("kept", ["store", "background", "previous_response_id"])
def test_what_would_be_kept_is_refused_by_name(client: Client, kept: str) -> None:
    body = {"model": client.model, **_asked(RESPONSES, 4), kept: True}
    sent = client.send("POST", RESPONSES, json=body)
    assert sent.status == 400
    assert f"`{kept}`" in json.loads(sent.text)["error"]["message"]
    assert story(sent.trace_id).finished["reason"] == "bad_request"


@pytest.mark.parametrize(
    ("path", "why"),
    [("/v1/responses/resp_1", "no response is stored"), ("/v1/audio/translations", "speech"),
     ("/v2/rerank", "Cohere's forms")],
)  # fmt: skip
def test_what_is_closed_says_why(client: Client, path: str, why: str) -> None:
    sent = client.send("POST", path, json={})
    error = json.loads(sent.text)["error"]
    assert (sent.status, error["type"]) == (404, "unknown_route")
    assert error["message"].startswith(f"There is no such route: {why}")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_grammar_that_the_engine_refuses_is_the_callers_error(
    client: Client, stream: bool
) -> None:
    bad = {"structured_outputs": {"grammar": "root ::= ((("}, "stream": stream}
    sent = client.send(
        "POST", RESPONSES, json={"model": client.model, **_asked(RESPONSES, 4), **bad}
    )
    line = story(sent.trace_id).finished
    assert line["outcome"] == "client_error", sent.text
    said = sent.events[-1] if sent.status == 200 else json.loads(sent.text)
    assert said["error"]["code"] == 400
    assert client.chat("still alive").status == 200
