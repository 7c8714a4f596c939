"""One request, followed from its response header through every signal it leaves."""

import json
import re
import secrets
from collections.abc import Callable

import pytest

from tests.e2e.client import CHAT, Client, Exchange, poll
from tests.e2e.ledger import (
    Ledger,
    assert_absent,
    assert_same_in_span_and_line,
    assert_tiles,
)
from tests.e2e.stores import Story, exemplar, samples, story

pytestmark = pytest.mark.e2e
PHASES = ["tokenize", "queue", "prefill", "decode", "deliver"]


def follow(sent: Exchange, ledger: Ledger) -> Story:
    """Check what every request must leave, whatever became of it."""
    found = story(sent.trace_id)
    assert found.finished["outcome"] == ledger.outcome
    assert_same_in_span_and_line(found)
    if found.phases:
        assert_tiles(found)
    kept = exemplar(sent)
    assert kept["series"]["outcome"] == ledger.outcome
    assert float(kept["value"]) <= float(kept["series"]["le"])
    assert float(kept["value"]) == pytest.approx(found.finished["duration_seconds"])
    ledger.check(found.finished)
    return found


def new_trace() -> tuple[str, str, dict[str, str]]:
    """Trace id, span id and the traceparent of a client that does not sample."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, {"traceparent": f"00-{trace_id}-{span_id}-00"}


def answering() -> Callable[[], bool]:
    """Says whether the engine has made tokens since now."""
    made = "vllm:generation_tokens_total"
    before = samples()[made]
    return lambda: samples()[made] > before


def wait_until_idle() -> None:
    """Wait until the engine runs nothing any more."""
    poll("an idle engine", lambda: samples()["vllm:num_requests_running"] == 0, 20)


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_leaves_every_signal(client: Client, stream: bool) -> None:
    ledger = Ledger.open(client.model, "ok")
    sent = client.chat(f"Follow {secrets.token_hex(8)}", stream=stream, max_tokens=40)
    assert sent.status == 200
    assert re.fullmatch(r"[0-9a-f]{32}", sent.trace_id)
    found = follow(sent, ledger)
    assert [phase.name for phase in found.phases] == PHASES
    assert found.server.name == "POST /v1/chat/completions"
    assert sent.headers["traceresponse"] == f"00-{sent.trace_id}-{found.server.span_id}-01"
    assert found.finished["stream"] is stream
    assert found.server.attributes["gen_ai.request.max_tokens"] == 40
    assert found.server.attributes["gen_ai.response.model"] == client.model
    assert found.server.attributes["url.path"] == "/v1/chat/completions"
    assert found.server.attributes["url.scheme"] == "http"
    assert "server.port" in found.server.attributes
    assert found.finished["input_tokens"] == sent.usage["prompt_tokens"]
    assert found.finished["output_tokens"] == sent.usage["completion_tokens"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_span_begins_and_decodes_while_the_client_waits(client: Client, stream: bool) -> None:
    sent = client.chat("Measure", stream=stream, max_tokens=100)
    found = story(sent.trace_id)
    decode = next(phase for phase in found.phases if phase.name == "decode")
    begun, answered = sent.started * 1e9, (sent.started + sent.seconds) * 1e9
    # Its end is noted once the last byte was handed over: the client may be quicker.
    assert begun <= found.server.start_ns < decode.end_ns <= answered
    assert decode.end_ns <= found.server.end_ns


def test_an_aborted_stream_pays_for_what_it_used(client: Client) -> None:
    wait_until_idle()
    ledger = Ledger.open(client.model, "aborted")
    body = {"messages": [{"role": "user", "content": "Stop me"}], "max_tokens": 1500}
    sent = client.abort_stream(CHAT, body | {"ignore_eos": True}, events=8)
    finished = follow(sent, ledger).finished
    assert finished["reason"] == "client_disconnect"
    assert finished["input_tokens"] > 0
    assert 5 <= finished["output_tokens"] < 1500
    wait_until_idle()


def test_an_aborted_plain_request_pays_for_what_it_used(client: Client) -> None:
    wait_until_idle()
    ledger = Ledger.open(client.model, "aborted")
    trace_id, span_id, headers = new_trace()
    body = {"messages": [{"role": "user", "content": "Stop me"}], "max_tokens": 1500}
    sent = client.abort_plain(CHAT, body | {"ignore_eos": True}, headers, answering())
    sent.trace_id = trace_id
    found = follow(sent, ledger)
    assert found.server.parent_id == span_id
    assert found.finished["input_tokens"] > 0
    assert 1 <= found.finished["output_tokens"] < 1500
    wait_until_idle()


def test_a_refused_request_costs_nothing_and_is_seen(client: Client) -> None:
    ledger = Ledger.open(client.model, "client_error")
    sent = client.chat("Never answered", max_tokens=-1)
    assert sent.status == 400
    finished = follow(sent, ledger).finished
    assert (finished["input_tokens"], finished["output_tokens"]) == (0, 0)
    assert finished["status_code"] == 400


def test_a_callers_trace_is_kept_and_recorded_though_not_sampled(client: Client) -> None:
    ledger = Ledger.open(client.model, "ok")
    trace_id, span_id, headers = new_trace()
    body = {"messages": [{"role": "user", "content": "Join my trace"}]}
    sent = client.post(CHAT, body, headers=headers)
    assert sent.trace_id == trace_id
    assert follow(sent, ledger).server.parent_id == span_id


def test_prompt_and_answer_are_stored_nowhere(client: Client) -> None:
    marker = f"marker{secrets.token_hex(8)}"
    sent = client.complete(f"Repeat {marker}", max_tokens=60, temperature=0.0, ignore_eos=True)
    answer = json.loads(sent.text)["choices"][0]["text"]
    raw = story(sent.trace_id).raw
    # Another Python makes another model: this one may say the same letter sixty times.
    assert len(answer) >= 32
    for text in (marker, answer, json.dumps(answer)[1:-1]):
        assert_absent(text, raw)


def test_a_callers_own_id_and_the_times_it_was_told_are_those_of_the_record(client: Client) -> None:
    given = f"run-{secrets.token_hex(8)}"
    asks = {"x-request-id": given, "x-llm-timing": "include"}
    body = {"messages": [{"role": "user", "content": "Time me"}]}
    sent = client.post(CHAT, body, headers=asks)
    assert sent.headers["x-request-id"] == given
    found = story(sent.trace_id)
    assert found.finished["caller_request_id"] == given
    assert found.server.attributes["llm.caller_request_id"] == given
    told = re.findall(r"(\w+);dur=([0-9.]+)", sent.headers["server-timing"])
    assert [name for name, _ in told] == ["queue", "prefill", "decode"]
    for name, milliseconds in told:
        known = found.finished[f"{name}_seconds"] * 1000
        assert float(milliseconds) == pytest.approx(known, abs=0.001)
