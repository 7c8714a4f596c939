"""The console: one JSON line an event, trace_id on each of a request's, no text of a caller."""

import datetime
import logging
import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog

from server.record.request import Operation, Outcome, Phase
from server.requests.live_request import CURRENT, LiveRequest
from server.signals import logs
from tests.unit.helpers import GPU, SPAN_ID, TRACE_ID, killed_record, record
from tests.unit.logged import Lines, lines_of

PROMPT = "tell me a secret"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with lines_of("vllm.foreign") as made:
        yield made


@pytest.fixture
def requests() -> Iterator[Lines]:
    with lines_of("server.requests") as made:
        yield made


@pytest.fixture
def served(heard: None) -> Iterator[None]:
    live = LiveRequest(TRACE_ID, SPAN_ID, "POST", "/v1/completions", Operation.TEXT_COMPLETION)
    token = CURRENT.set(live)
    yield
    CURRENT.reset(token)


def test_a_foreign_record_is_one_line_of_json(lines: Lines) -> None:
    lines.logger.warning("two\nlines of %s", "text")
    line = lines.one()
    assert line["event"] == "two\nlines of text"
    assert (line["level"], line["logger"]) == ("warning", "vllm.foreign")
    assert line["timestamp"].endswith("Z")
    assert line["process"]
    assert "trace_id" not in line
    assert "_record" not in line


@pytest.mark.usefixtures("served")
def test_a_foreign_record_inside_a_request_carries_its_ids(lines: Lines) -> None:
    lines.logger.info("working")
    assert (lines.one()["trace_id"], lines.one()["span_id"]) == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("prefix", ["chatcmpl-", "cmpl-", "", "0_chatcmpl-"])
@pytest.mark.parametrize("as_argument", [True, False])
def test_a_request_id_in_the_text_gives_the_ids(
    lines: Lines, prefix: str, as_argument: bool
) -> None:
    request_id = f"{prefix}{TRACE_ID}-{SPAN_ID}-0a1b2c3d"
    if as_argument:
        lines.logger.info("Added request %s.", request_id)
    else:
        lines.logger.info(f"Added request {request_id}.")
    assert (lines.one().get("trace_id"), lines.one().get("span_id")) == (TRACE_ID, SPAN_ID)


@pytest.mark.usefixtures("heard")
def test_a_request_id_in_a_hidden_text_gives_the_ids_alone(lines: Lines) -> None:
    lines.logger.info("Added request %s of %s.", f"cmpl-{TRACE_ID}-{SPAN_ID}-0a1b2c3d", PROMPT)
    assert (lines.one()["trace_id"], lines.one()["span_id"]) == (TRACE_ID, SPAN_ID)
    assert lines.one()["event"] == "Added request %s of %s."


@pytest.mark.parametrize("text", [TRACE_ID, f"{TRACE_ID}-{SPAN_ID}f", f"a{TRACE_ID}-{SPAN_ID}"])
def test_what_is_no_request_id_gives_none(lines: Lines, text: str) -> None:
    lines.logger.info("saw %s", text)
    assert "trace_id" not in lines.one()


@pytest.mark.usefixtures("served")
def test_arguments_are_hidden_while_a_request_is_served(lines: Lines) -> None:
    lines.logger.error("cannot read %r", PROMPT)
    assert lines.one()["event"] == "cannot read %r"
    assert PROMPT not in lines.text


@pytest.mark.usefixtures("served")
def test_an_exceptions_text_is_hidden_while_a_request_is_served(lines: Lines) -> None:
    _log_exception(lines)
    assert lines.one()["exception_type"] == "ValueError"
    assert lines.one()["event"] == "failed"
    assert PROMPT not in lines.text
    kind, place = lines.one()["exception"].splitlines()
    assert kind == "ValueError"
    assert re.fullmatch(r"  tests/unit/signals/test_logs\.py:\d+:_log_exception", place)


@pytest.mark.usefixtures("served")
def test_an_exception_logged_as_the_message_is_hidden(lines: Lines) -> None:
    lines.logger.error(ValueError(PROMPT))
    assert lines.one()["event"] == "ValueError"
    assert PROMPT not in lines.text


def test_before_the_first_caller_both_stay(lines: Lines) -> None:
    _log_exception(lines)
    assert "ValueError: tell me a secret" in lines.one()["exception"]
    assert lines.one()["event"] == "failed"


def _log_exception(lines: Lines) -> None:
    try:
        raise ValueError(PROMPT)
    except ValueError:
        lines.logger.exception("failed")


@pytest.mark.usefixtures("served")
def test_our_own_lines_keep_their_arguments() -> None:
    with lines_of("server.signals.hook_errors") as ours:
        ours.logger.error("observer hook %s failed", "red")
    assert ours.one()["event"] == "observer hook red failed"


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("served_by", ["vllm.foreign", "structlog"])
def test_what_others_hand_over_besides_the_text_is_never_a_field(
    lines: Lines, served_by: str
) -> None:
    if served_by == "structlog":
        structlog.get_logger("vllm.foreign").error("cannot read", prompt=PROMPT)
    else:
        lines.logger.error("cannot read", extra={"prompt": PROMPT})
    assert lines.one().keys() <= {
        "timestamp", "level", "event", "trace_id", "span_id", "logger", "process",
    }  # fmt: skip
    assert PROMPT not in lines.text


def test_arguments_that_do_not_fit_are_not_printed_either(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest's own handler would print them.
    lines.logger.propagate = False
    lines.logger.error("%d tokens", PROMPT)
    lines.logger.propagate = True
    assert lines.one()["event"] == "%d tokens"
    assert PROMPT not in capsys.readouterr().err + lines.text


def test_request_finished_is_one_line_with_every_field(requests: Lines) -> None:
    one = record(gpu=GPU, caller_request_id="run-7", engine_requests=1)
    logs.request_finished(one, Decimal("16.50"))
    line = requests.one()
    assert {"timestamp", "process"} <= line.keys()
    assert {key: line[key] for key in line if key not in ("timestamp", "process")} == {
        "event": "request_finished",
        "level": "info",
        "logger": "server.requests",
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "tenant": "default",
        "model": "tiny-llama",
        "operation": "chat",
        "outcome": "ok",
        "reason": "stop",
        "status_code": 200,
        "error_type": None,
        "method": "POST",
        "route": "/v1/chat/completions",
        "stream": True,
        "engine_requests": 1,
        "started_unix_seconds": 1_790_000_000.0,
        "duration_seconds": 1.0,
        "time_to_first_token_seconds": 0.3,
        "time_per_output_token_seconds": 0.03,
        "tokenize_seconds": pytest.approx(0.1),
        "queue_seconds": pytest.approx(0.1),
        "prefill_seconds": pytest.approx(0.1),
        "decode_seconds": pytest.approx(0.6),
        "deliver_seconds": pytest.approx(0.1),
        "input_tokens": 100,
        "cached_input_tokens": 40,
        "output_tokens": 20,
        "reasoning_output_tokens": None,
        "image_input_tokens": None,
        "audio_input_tokens": None,
        "video_input_tokens": None,
        "cost_microdollars": 16.5,
        "gpu_cost_microdollars": 1.234,
        "gpu_seconds": 0.5,
        "gpu_model_versions": [3, 4],
        "finish_reasons": ["stop"],
        "response_id": "chatcmpl-1",
        "caller_request_id": "run-7",
    }


def test_what_is_written_later_is_of_its_own_time(requests: Lines) -> None:
    logs.request_finished(record(), None, 1_790_000_001.25)
    assert requests.one()["timestamp"] == "2026-09-21T14:13:21.250000Z"


def test_of_a_killed_request_no_end_is_known_and_its_line_is_of_now(requests: Lines) -> None:
    before = time.time()
    logs.request_finished(killed_record(), None)
    told = datetime.datetime.fromisoformat(requests.one()["timestamp"])
    assert before - 1 <= told.timestamp() <= time.time() + 1


def test_a_late_settlement_has_a_line_of_its_own(requests: Lines) -> None:
    logs.request_settled_late(record(tenant="t", outcome=Outcome.ABORTED), GPU)
    line = requests.one()
    assert line["event"] == "request_settled_late"
    assert (line["trace_id"], line["tenant"], line["outcome"]) == (TRACE_ID, "t", "aborted")
    assert (line["gpu_cost_microdollars"], line["gpu_seconds"]) == (1.234, 0.5)


@pytest.mark.usefixtures("served")
def test_request_finished_keeps_its_fields_and_its_own_ids_inside_a_request(
    requests: Lines,
) -> None:
    logs.request_finished(record(trace_id="1" * 32, span_id="2" * 16), None)
    line = requests.one()
    assert (line["trace_id"], line["span_id"]) == ("1" * 32, "2" * 16)
    assert (line["event"], line["input_tokens"]) == ("request_finished", 100)


def test_what_is_not_known_is_null_and_never_zero() -> None:
    found = logs.fields(killed_record(), None)
    for key in ("duration_seconds", "time_to_first_token_seconds", "cost_microdollars",
                "queue_seconds", "deliver_seconds", "status_code"):  # fmt: skip
        assert found[key] is None, key
    assert (found["outcome"], found["reason"]) == ("server_error", "killed")


def test_an_incomplete_phase_is_null() -> None:
    phases = (Phase("tokenize", 0.0, 0.1), Phase("queue", 0.1, 1.0, complete=False))
    found = logs.fields(record(outcome=Outcome.ABORTED, phases=phases), None)
    assert (found["tokenize_seconds"], found["queue_seconds"]) == (0.1, None)


def test_the_exporters_own_lines_are_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(logs, "provider_of_process", asked.append)
    for name in ("opentelemetry.sdk", "urllib3.connectionpool", "requests", "vllm"):
        logs.OtlpHandler().emit(logging.LogRecord(name, logging.INFO, "f", 1, "x", (), None))
    assert len(asked) == 1


def test_without_an_endpoint_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_SERVER_OTLP_ENDPOINT", raising=False)
    assert logs.provider_of_process.__wrapped__(0) is None
    assert "opentelemetry" in sys.modules
