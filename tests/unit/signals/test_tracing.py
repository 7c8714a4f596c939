"""Tracing: one SERVER span and the phases that tile it, in the caller's trace when it has one."""

import threading
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Tracer
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode

from server import __version__
from server.record.request import Operation, Outcome, Phase, RequestRecord
from server.signals.tracing import Tracing
from tests.unit.helpers import GPU, SPAN_ID, STARTED_NS, TRACE_ID, killed_record, record

PARENT = "00f067aa0ba902b7"


class Recorder:
    """A Tracing whose ended spans can be read."""

    def __init__(self, callers_count: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        resource = Resource({"service.name": "llm-server"})
        processor = SimpleSpanProcessor(self._exporter)
        self.tracing = Tracing(resource, processor, callers_count)

    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def tree(
        self,
        kept: RequestRecord,
        headers: dict[str, str] | None = None,
        cost: Decimal | None = None,
    ) -> tuple[ReadableSpan, list[ReadableSpan]]:
        span = self.tracing.start("POST /v1/chat/completions", headers or {}, STARTED_NS)
        self.tracing.finish(span, kept, cost)
        *children, server = self.spans()
        return server, children


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def seconds(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.start_time - STARTED_NS) / 1e9, (span.end_time - STARTED_NS) / 1e9


def test_the_tree_has_one_server_span_and_a_child_per_phase(recorder: Recorder) -> None:
    server, children = recorder.tree(record())
    assert (server.name, server.kind, server.parent) == (
        "POST /v1/chat/completions",
        SpanKind.SERVER,
        None,
    )
    assert [child.name for child in children] == [
        "tokenize", "queue", "prefill", "decode", "deliver",
    ]  # fmt: skip
    for child in children:
        assert child.kind is SpanKind.INTERNAL
        assert child.parent is not None
        assert child.parent.span_id == server.context.span_id
        assert child.context.trace_id == server.context.trace_id


def test_children_tile_from_the_records_start_to_its_end(recorder: Recorder) -> None:
    server, children = recorder.tree(record())
    assert server.start_time == children[0].start_time == STARTED_NS
    for left, right in pairwise(children):
        assert left.end_time == right.start_time
    assert children[-1].end_time == server.end_time == STARTED_NS + 1_000_000_000
    assert [seconds(child) for child in children] == [
        (0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.9), (0.9, 1.0),
    ]  # fmt: skip


def test_attributes(recorder: Recorder) -> None:
    asked = (("max_tokens", 20), ("temperature", 1), ("top_k", 5), ("seed", 7), ("n", 2))
    kept = record(
        gpu=GPU, engine_model="tiny-llama", parameters=asked,
        scheme="http", listener=("127.0.0.1", 8000),
    )  # fmt: skip
    server, _ = recorder.tree(kept, cost=Decimal("16.50"))
    assert dict(server.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny-llama",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 20,
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_k": 5.0,
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.response.model": "tiny-llama",
        "gen_ai.response.finish_reasons": ("stop",),
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "llm.outcome": "ok",
        "llm.reason": "stop",
        "llm.tenant": "default",
        "llm.duration.known": True,
        "llm.cost.microdollars": 16.5,
        "llm.gpu.cost.microdollars": 1.234,
        "llm.gpu.seconds": 0.5,
        "llm.gpu.model_versions": "3-4",
    }
    assert server.resource.attributes["service.name"] == "llm-server"


def test_what_is_not_known_is_absent_and_never_zero(recorder: Recorder) -> None:
    server, _ = recorder.tree(record(status_code=None, response_id=None, finish_reasons=()))
    attributes = server.attributes or {}
    for name in ("llm.cost.microdollars", "http.response.status_code", "gen_ai.response.id",
                 "gen_ai.response.finish_reasons", "gen_ai.response.model", "error.type",
                 "url.scheme", "server.address", "server.port"):  # fmt: skip
        assert name not in attributes


def test_a_parameter_that_asks_for_nothing_is_absent(recorder: Recorder) -> None:
    server, _ = recorder.tree(record(parameters=(("n", 1), ("top_k", 0), ("temperature", 0.0))))
    found = {name for name in server.attributes or {} if name.startswith("gen_ai.request.")}
    assert found == {"gen_ai.request.model", "gen_ai.request.stream", "gen_ai.request.temperature"}


@pytest.mark.parametrize("route", ["/v1/models", "/tokenize", "/health", "other"])
def test_what_runs_no_model_has_no_attribute_of_a_models_call(
    recorder: Recorder, route: str
) -> None:
    server, _ = recorder.tree(record(operation=Operation.OTHER, route=route))
    attributes = server.attributes or {}
    assert not [name for name in attributes if name.startswith("gen_ai.")]
    assert (attributes["http.route"], attributes["llm.outcome"]) == (route, "ok")


def test_a_path_that_is_not_ours_is_nobodys_to_read(recorder: Recorder) -> None:
    server, _ = recorder.tree(record(operation=Operation.OTHER, route="other"))
    assert "url.path" not in (server.attributes or {})


def test_spans_say_who_made_them_and_by_which_convention(recorder: Recorder) -> None:
    server, children = recorder.tree(record())
    for span in (server, *children):
        scope = span.instrumentation_scope
        assert scope is not None
        assert (scope.name, scope.version) == ("server.signals.tracing", __version__)
        assert scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.OK, StatusCode.UNSET),
        (Outcome.CLIENT_ERROR, StatusCode.UNSET),
        (Outcome.ABORTED, StatusCode.UNSET),
        (Outcome.SERVER_ERROR, StatusCode.ERROR),
        (Outcome.TIMEOUT, StatusCode.ERROR),
    ],
)
def test_only_our_own_failures_are_errors(
    recorder: Recorder, outcome: Outcome, status: StatusCode
) -> None:
    error = None if outcome is Outcome.OK else "why"
    server, _ = recorder.tree(record(outcome=outcome, error_type=error))
    assert server.status.status_code is status
    assert (server.attributes or {}).get("error.type") == error


@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_callers_trace_is_kept_and_always_recorded(recorder: Recorder, flags: str) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT}-{flags}"}
    server, children = recorder.tree(record(), headers)
    assert Tracing.ids(recorder.tracing.start("x", headers, 1))[0] == TRACE_ID
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == PARENT
    assert {f"{span.context.trace_id:032x}" for span in (server, *children)} == {TRACE_ID}
    assert server.context.trace_flags.sampled
    assert len(children) == 5


def test_a_killed_requests_span_has_the_callers_id(recorder: Recorder) -> None:
    recorder.tracing.replay(killed_record(caller_request_id="run-7"), None)
    assert (recorder.spans()[0].attributes or {})["llm.caller_request_id"] == "run-7"


@pytest.mark.parametrize(
    "traceparent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE_ID}-{'0' * 16}-01"]
)
def test_a_bad_traceparent_begins_a_new_trace(recorder: Recorder, traceparent: str) -> None:
    server, _ = recorder.tree(record(), {"traceparent": traceparent})
    assert server.parent is None
    assert f"{server.context.trace_id:032x}" not in (TRACE_ID, "0" * 32)


def test_ids_are_32_and_16_hex_digits_of_the_span(recorder: Recorder) -> None:
    span = recorder.tracing.start("x", {}, 1)
    trace_id, span_id = Tracing.ids(span)
    assert (len(trace_id), len(span_id)) == (32, 16)
    assert int(trace_id, 16) == span.get_span_context().trace_id
    assert int(span_id, 16) == span.get_span_context().span_id


def test_an_incomplete_phase_says_so(recorder: Recorder) -> None:
    phases = (Phase("tokenize", 0.0, 0.1), Phase("queue", 0.1, 1.0, complete=False))
    _, children = recorder.tree(record(phases=phases))
    assert [dict(child.attributes or {}) for child in children] == [
        {},
        {"llm.phase.complete": False},
    ]


def test_a_killed_request_gets_a_span_with_its_original_ids(recorder: Recorder) -> None:
    recorder.tracing.replay(killed_record(), None)
    (span,) = recorder.spans()
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.context.span_id:016x}" == SPAN_ID
    assert (span.name, span.kind) == ("POST /v1/chat/completions", SpanKind.SERVER)
    assert span.start_time == span.end_time == STARTED_NS
    assert span.status.status_code is StatusCode.ERROR
    attributes = span.attributes or {}
    assert attributes["llm.duration.known"] is False
    assert attributes["llm.reason"] == "killed"


def encoded(span: ReadableSpan) -> Any:
    (resource,) = encode_spans([span]).resource_spans
    assert resource.resource.attributes[0].value.string_value == "llm-server"
    (scope,) = resource.scope_spans
    (found,) = scope.spans
    found.span_id = b""
    return scope.scope, scope.schema_url, found


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("state", ["", "vendor=1"])
def test_a_phase_is_the_span_that_the_tracer_would_make(
    recorder: Recorder, complete: bool, state: str
) -> None:
    headers = {"traceparent": f"00-{'1' * 32}-{PARENT}-01", "tracestate": state}
    phase = Phase("decode", 0.25, 0.5, complete=complete)
    server, (ours,) = recorder.tree(record(phases=(phase,)), headers)
    theirs = recorder.tracing._tracer.start_span(
        "decode",
        context=trace.set_span_in_context(NonRecordingSpan(server.context), trace.Context()),
        attributes=None if complete else {"llm.phase.complete": False},
        start_time=STARTED_NS + 250_000_000,
    )
    theirs.end(STARTED_NS + 500_000_000)
    assert encoded(ours) == encoded(recorder.spans()[-1])


def test_a_replayed_requests_ids_are_its_own_threads(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracing, start = recorder.tracing, Tracer.start_span
    others: list[str] = []

    def meanwhile() -> None:
        others.extend(tracing.ids(tracing.start("other", {}, 1)))

    def starting(self: Tracer, *args: Any, **named: Any) -> Any:
        if not others:
            others.append("busy")
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()
        return start(self, *args, **named)

    monkeypatch.setattr(Tracer, "start_span", starting)
    tracing.replay(killed_record(), None)
    assert len(others) == 3
    assert not {TRACE_ID, SPAN_ID} & {*others}


def test_ids_are_random_again_after_a_replayed_one(recorder: Recorder) -> None:
    recorder.tracing.replay(killed_record(), None)
    fresh = {Tracing.ids(recorder.tracing.start("x", {}, 1)) for _ in range(3)}
    assert len(fresh) == 3
    assert TRACE_ID not in {trace_id for trace_id, _ in fresh}


def test_a_request_without_a_span_is_no_error(recorder: Recorder) -> None:
    recorder.tracing.finish(None, record(), None)
    assert recorder.spans() == ()


def test_without_a_processor_spans_still_have_ids() -> None:
    tracing = Tracing(Resource({}), None)
    trace_id, _ = Tracing.ids(tracing.start("x", {}, 1))
    assert int(trace_id, 16) != 0


STATES = {
    "plain": ("a=b,c@d=e f", True),
    "spaces": ("a=b , c=d", True),
    "digit": ("1a@sys=b", True),
    "empty": ("", False),
    "no-pair": ("tell me a secret", False),
    "twice": ("a=1,a=2", False),
    "long": ("a=" + "b" * 8200, False),
    "many": (",".join(f"k{i}=v" for i in range(33)), False),
    "capital": ("A=b", False),
    "half": ("a=b,secret", False),
    "latin": ("a=\xe9", False),
    "newline": ("a=b\n", False),
}


@pytest.mark.parametrize("name", STATES)
def test_a_tracestate_is_kept_or_dropped_without_a_word(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    state, kept = STATES[name]
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": state}
    context = recorder.tracing.start("x", headers, 1).get_span_context()
    assert f"{context.trace_id:032x}" == TRACE_ID
    assert bool(context.trace_state) == kept
    assert not caplog.records


@pytest.mark.parametrize("traceparent", ["x" * 600, f"00-{TRACE_ID}-{PARENT}-01-" + "y" * 600])
def test_a_long_traceparent_is_dropped_without_a_word(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, traceparent: str
) -> None:
    span = recorder.tracing.start("x", {"traceparent": traceparent}, 1)
    assert Tracing.ids(span)[0] != TRACE_ID
    assert not caplog.records
