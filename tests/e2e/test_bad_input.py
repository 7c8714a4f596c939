"""Bad input: a 4xx that says why, counted, traced and logged without the content; alive after."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.client import CHAT, Client, poll
from tests.e2e.ledger import assert_absent, assert_same_in_span_and_line
from tests.e2e.stores import HTTP, METRICS, OPENMETRICS, last, samples, stores, story

pytestmark = pytest.mark.e2e
MARKER = f"marker{secrets.token_hex(8)}"
MEGABYTE = 2**20


def _chat(content: str = MARKER, **fields: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 4}
    return {"json": {"model": "MODEL", **body, **fields}}


def _raw(text: str) -> dict[str, Any]:
    return {"content": text, "headers": {"content-type": "application/json"}}


# name: method, path, options, status, reason
BAD: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "wrong JSON": ("POST", CHAT, _raw('{"messages": "' + MARKER), 400, "invalid_json"),
    "wrong type": ("POST", CHAT, _chat(max_tokens=MARKER), 400, "bad_request"),
    "no messages": ("POST", CHAT, {"json": {"model": "MODEL"}}, 400, "bad_request"),
    "unknown model": ("POST", CHAT, _chat(model=MARKER), 404, "unknown_model"),
    "prompt too long": ("POST", CHAT, _chat(f"{MARKER} " * 4000), 400, "bad_request"),
    "max_tokens negative": ("POST", CHAT, _chat(max_tokens=-1), 400, "bad_request"),
    "20 MB": ("POST", CHAT, _chat(MARKER + "x" * 20 * MEGABYTE), 413, "too_large"),
    "unknown route": ("POST", f"/v1/{MARKER}", _chat(), 404, "unknown_route"),
    "vLLM's own route": ("POST", "/invocations", _chat(), 404, "unknown_route"),
    "wrong method": ("PUT", CHAT, _chat(), 405, "method_not_allowed"),
    "embeddings": (
        "POST",
        "/v1/embeddings",
        {"json": {"model": "MODEL", "input": MARKER}},
        400,
        "unsupported_operation",
    ),
}
# What has killed an engine before: any clean 4xx will do.
HOSTILE: dict[str, dict[str, Any]] = {
    "json_object false": _chat(structured_outputs={"json_object": False}),
    "bad grammar": _chat(structured_outputs={"grammar": "root ::= ((("}),
    "bad regex": _chat(structured_outputs={"regex": "(((["}),
    "huge n": _chat(n=100_000),
    "bad logit bias": _chat(logit_bias={"99999999": 1.0}),
    "bad stop token": _chat(stop_token_ids=[99_999_999], min_tokens=2),
}


def _with_model(options: dict[str, Any], model: str) -> dict[str, Any]:
    return json.loads(json.dumps(options).replace('"MODEL"', json.dumps(model)))


def _counted(reason: str) -> float:
    return samples(outcome="client_error", reason=reason).get("llm_requests_total", 0.0)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason_and_seen(client: Client, name: str) -> None:
    method, path, options, status, reason = BAD[name]
    before = _counted(reason)
    sent = client.send(method, path, **_with_model(options, client.model))
    assert sent.status == status
    error = json.loads(sent.text)["error"]
    assert error["message"]
    found = story(sent.trace_id)
    assert (found.finished["outcome"], found.finished["reason"]) == ("client_error", reason)
    assert found.finished["status_code"] == status
    assert_same_in_span_and_line(found)
    assert_absent(MARKER, found.raw)
    poll("the refusal in llm_requests_total", lambda: _counted(reason) > before)
    assert _counted(reason) == before + 1
    assert client.chat("Still alive?").status == 200


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_does_not_kill_the_engine(client: Client, name: str) -> None:
    sent = client.send("POST", CHAT, **_with_model(HOSTILE[name], client.model))
    assert 400 <= sent.status < 500, f"{name} was answered {sent.status}"
    assert story(sent.trace_id).finished["outcome"] == "client_error"
    assert client.chat("Still alive?").status == 200


def test_what_a_caller_wrote_is_stored_nowhere(
    client: Client, server_log: Callable[[], str]
) -> None:
    assert client.complete(f"{MARKER} and on").status == 200
    sent = client.complete([MARKER, MARKER], max_tokens=-5)
    story(sent.trace_id)
    kept = list(stores().logs.records(last(15)))
    assert sent.trace_id in {record.fields.get("trace_id") for record in kept}
    metrics, log = HTTP.get(METRICS, headers=OPENMETRICS).text, server_log()
    assert sent.trace_id in log
    assert_absent(MARKER, metrics, log, repr(kept))
