"""Logs over OTLP, through the real SDK and encoder: typed attributes, a body for people."""

import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest

from server.record.request import Outcome
from server.requests.live_request import LiveRequest
from server.signals import logs
from tests.unit.helpers import GPU, SPAN_ID, TRACE_ID, killed_record, record
from tests.unit.logged import Sent, kinds, sent_meanwhile

PROMPT = "tell me a secret"
CONTEXT = {"logger", "process"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    with sent_meanwhile(monkeypatch) as made:
        yield made


def test_request_finished_leaves_with_a_typed_attribute_for_each_field(sent: Sent) -> None:
    logs.request_finished(record(gpu=GPU, engine_requests=1), Decimal("16.50"))
    names = "event logger process tenant model operation outcome reason method route response_id"
    seconds = "started_unix duration time_to_first_token time_per_output_token gpu"
    phases = "tokenize queue prefill decode deliver"
    assert kinds(sent.wire()) == {
        **dict.fromkeys(names.split(), "string_value"),
        **{f"{name}_seconds": "double_value" for name in f"{seconds} {phases}".split()},
        **dict.fromkeys(("cost_microdollars", "gpu_cost_microdollars"), "double_value"),
        **dict.fromkeys(
            ("input_tokens", "cached_input_tokens", "output_tokens", "engine_requests"), "int_value"
        ),
        **dict.fromkeys(("finish_reasons", "gpu_model_versions"), "array_value"),
        "status_code": "int_value",
        "stream": "bool_value",
    }
    found = sent.attributes()
    assert (found["event"], found["logger"]) == ("request_finished", "server.requests")
    assert (found["finish_reasons"], found["gpu_model_versions"]) == (("stop",), (3, 4))
    assert (found["cost_microdollars"], found["stream"]) == (16.5, True)


def test_ids_and_level_are_fields_of_otlp_itself(sent: Sent) -> None:
    logs.request_finished(record(), None)
    wire = sent.wire()
    assert (wire.trace_id.hex(), wire.span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert (wire.severity_text, wire.severity_number) == ("INFO", 9)
    assert not sent.attributes().keys() & {"trace_id", "span_id", "level", "timestamp"}


def test_a_number_keeps_its_type_when_it_is_whole(sent: Sent) -> None:
    whole = record(duration_seconds=1, time_to_first_token_seconds=0, gpu=GPU)
    logs.request_finished(whole, Decimal(16))
    found = kinds(sent.wire())
    for name in ("duration_seconds", "time_to_first_token_seconds", "cost_microdollars"):
        assert found[name] == "double_value", name


def test_what_is_not_known_is_left_out(sent: Sent) -> None:
    logs.request_finished(killed_record(), None)
    absent = {
        "duration_seconds",
        "engine_requests",
        "cost_microdollars",
        "queue_seconds",
        "status_code",
    }
    assert not sent.attributes().keys() & {*absent, "gpu_seconds", "response_id"}
    assert sent.body() == "request_finished server_error · killed · chat · 0 in · 0 out · default"


def test_the_body_of_request_finished_is_a_sentence(sent: Sent) -> None:
    times = {"duration_seconds": 0.32649, "time_to_first_token_seconds": 0.037}
    logs.request_finished(record(reason="length", gpu=GPU, **times), Decimal("2712.3"))
    assert sent.body() == (
        "request_finished ok · length · 200 · chat · 0.326 s · first token 0.037 s · 100 in"
        " · 20 out · 2712 µ$ · 1.23 µ$ device · default"
    )


def test_any_other_event_says_its_fields(sent: Sent) -> None:
    logs.request_settled_late(record(tenant="t", outcome=Outcome.ABORTED), GPU)
    assert sent.attributes()["event"] == "request_settled_late"
    assert sent.body() == (
        "request_settled_late tenant=t model=tiny-llama outcome=aborted"
        " gpu_cost_microdollars=1.23 gpu_seconds=0.5 gpu_model_versions=3,4"
    )


def test_a_line_of_others_is_text_and_says_who_spoke(sent: Sent) -> None:
    request_id = f"cmpl-{TRACE_ID}-{SPAN_ID}-0"
    sent.foreign.warning("Added %s", request_id, extra={"prompt": PROMPT})
    wire = sent.wire()
    assert sent.attributes() == {"logger": "vllm.foreign", "process": "MainProcess"}
    assert wire.body.string_value == f"Added {request_id}"
    assert (wire.severity_text, wire.trace_id.hex()) == ("WARNING", TRACE_ID)


@pytest.mark.parametrize("message", ["started", {"event": "started", "prompt": PROMPT}])
def test_nobody_else_speaks_in_events_of_ours(sent: Sent, message: object) -> None:
    sent.foreign.info(message)
    assert sent.attributes().keys() == CONTEXT
    assert sent.body() == str(message)
    assert sent.wire().trace_id == b""


def test_a_plain_line_of_our_own_is_no_event(sent: Sent) -> None:
    logging.getLogger("server.requests").error("hook %s failed", "red")
    assert sent.attributes().keys() == CONTEXT
    assert sent.body() == "hook red failed"


@pytest.mark.usefixtures("heard")
def test_what_the_console_hides_is_in_no_part_of_the_record(sent: Sent, live: LiveRequest) -> None:
    try:
        raise ValueError(PROMPT)
    except ValueError:
        sent.foreign.exception("cannot read %r", PROMPT, extra={"prompt": PROMPT})
    wire = sent.wire()
    assert PROMPT.encode() not in wire.SerializeToString()
    assert wire.body.string_value.startswith("cannot read %r\nValueError\n  ")
    assert (wire.trace_id.hex(), wire.span_id.hex()) == (live.trace_id, live.span_id)
    assert sent.attributes()["exception_type"] == "ValueError"


def test_a_stack_trace_stands_below_the_text(sent: Sent) -> None:
    try:
        raise ValueError("no such shape")
    except ValueError:
        sent.foreign.exception("failed")
    first, second, *_, last = sent.body().splitlines()
    assert (first, second) == ("failed", "Traceback (most recent call last):")
    assert last == "ValueError: no such shape"
    assert sent.attributes().keys() == {*CONTEXT, "exception_type"}


def test_an_event_of_ours_may_have_a_stack_trace_too(sent: Sent) -> None:
    sent.ours.error("red_failed", tenant="t", exc_info=ValueError("no"))
    assert sent.body() == "red_failed tenant=t\nValueError: no"
    assert sent.attributes().keys() == {*CONTEXT, "event", "tenant", "exception_type"}
