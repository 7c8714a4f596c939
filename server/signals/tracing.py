"""The span tree of a request: one SERVER span and the phases that tile it."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from server import __version__
from server.record.request import GpuUse, Operation, Outcome, Phase, RequestRecord
from server.signals import otel_environment

SCHEMA_URL = Schemas.V1_44_0.value
"""The newest that the installed package knows; named, so that an update alone claims nothing."""
_WHOLE = {
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}
_DOUBLES = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
"""The convention's names of vLLM's parameters, by type; top_k is whole in vLLM."""
USAGE, OWN_USAGE = "gen_ai.usage", "llm.usage"
"""What the names of token counts begin with: the convention's, and ours that nobody adds up."""
_TRACESTATE_BYTES, _TRACESTATE_MEMBERS, _TRACEPARENT_BYTES = 8192, 32, 512
_MEMBER = re.compile(
    r"([a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
"""A member of a tracestate, as the W3C's Trace Context allows."""


class _Ids(RandomIdGenerator, threading.local):
    """Random ids, unless a killed request's own ids are to be used once more, by one thread."""

    given: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.given[0] if self.given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.given[1] if self.given else super().generate_span_id()


class Tracing:
    """Makes spans and hands them to the processor; without one they end nowhere.

    With `callers_count` a span below a caller's has its tokens under OWN_USAGE only.
    """

    def __init__(
        self, resource: Resource, processor: SpanProcessor | None, callers_count: bool = False
    ) -> None:
        self._callers_count = callers_count
        self._ids = _Ids()
        otel_environment.clean(os.environ)
        # ALWAYS_ON: a caller's unset `sampled` flag must not hide its request.
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._processor = processor
        if processor is not None:
            provider.add_span_processor(processor)
        self._tracer = provider.get_tracer(__name__, __version__, schema_url=SCHEMA_URL)

    def start(self, name: str, headers: Mapping[str, str], started_ns: int) -> Span:
        """Start the SERVER span, in the caller's trace when the headers hold a traceparent.

        `started_ns` is wall-clock nanoseconds: where the record and its phases begin, too.
        """
        carrier = _well_formed(headers)
        context = TraceContextTextMapPropagator().extract(carrier, context=trace.Context())
        return self._tracer.start_span(
            name, context=context, kind=SpanKind.SERVER, start_time=started_ns
        )

    @staticmethod
    def ids(span: Span) -> tuple[str, str]:
        """trace_id and span_id as 32 and 16 hex digits."""
        context = span.get_span_context()
        return f"{context.trace_id:032x}", f"{context.span_id:016x}"

    def finish(self, span: Span | None, record: RequestRecord, cost: Decimal | None) -> None:
        """Add the phases as children and end the SERVER span at the record's end."""
        if span is None:
            return
        if self._processor is not None and isinstance(span, ReadableSpan):
            for phase in record.phases:
                self._processor.on_end(self._phase(span, record, phase))
        span.set_attributes(_attributes(record, cost, self._usage_prefix(span)))
        if record.outcome in (Outcome.SERVER_ERROR, Outcome.TIMEOUT):
            span.set_status(Status(StatusCode.ERROR))
        span.end(_wall(record.started_ns, record.duration_seconds or 0.0))

    def _usage_prefix(self, span: Span) -> str:
        # The one span that can be above ours is a caller's.
        is_below = isinstance(span, ReadableSpan) and span.parent is not None
        return OWN_USAGE if self._callers_count and is_below else USAGE

    def replay(self, record: RequestRecord, cost: Decimal | None) -> None:
        """The span tree, with its own ids and times, of a request that is over.

        Of one whose process was killed no end is known: its span has no length.
        """
        self._ids.given = (int(record.trace_id, 16), int(record.span_id, 16))
        try:
            name = f"{record.method} {record.route}"
            span = self._tracer.start_span(
                name, trace.Context(), kind=SpanKind.SERVER, start_time=record.started_ns
            )
        finally:
            self._ids.given = None
        self.finish(span, record, cost)

    def _phase(self, above: ReadableSpan, record: RequestRecord, phase: Phase) -> ReadableSpan:
        # As the tracer makes it, of what is over: five of them were half of a request's tracing.
        return ReadableSpan(
            phase.name,
            context=self._below(above.context),
            parent=above.context,
            resource=above.resource,
            attributes=None if phase.complete else {"llm.phase.complete": False},
            start_time=_wall(record.started_ns, phase.start),
            end_time=_wall(record.started_ns, phase.end),
            instrumentation_scope=above.instrumentation_scope,
        )

    def _below(self, above: SpanContext) -> SpanContext:
        return SpanContext(
            above.trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=above.trace_flags,
            trace_state=above.trace_state,
        )


def _well_formed(headers: Mapping[str, str]) -> dict[str, str]:
    # What the propagator does not like it quotes in a warning, once a request.
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    found = {"traceparent": parent} if len(parent) <= _TRACEPARENT_BYTES else {}
    return {**found, "tracestate": state} if _is_tracestate(state) else found


def _is_tracestate(state: str) -> bool:
    members = [text for part in state.split(",") if (text := part.strip(" \t"))]
    found = [match[1] for text in members if (match := _MEMBER.fullmatch(text))]
    few = 0 < len(members) <= _TRACESTATE_MEMBERS and len(state) <= _TRACESTATE_BYTES
    return few and len(set(found)) == len(members)


def _wall(started_ns: int, offset: float) -> int:
    return started_ns + round(offset * 1e9)


def _attributes(
    record: RequestRecord, cost: Decimal | None, usage: str = USAGE
) -> dict[str, AttributeValue]:
    every = {
        **_gen_ai(record, usage),
        **_http(record),
        "error.type": record.error_type,
        "llm.outcome": record.outcome.value,
        "llm.reason": record.reason,
        "llm.tenant": record.tenant,
        "llm.caller_request_id": record.caller_request_id,
        "llm.duration.known": record.duration_seconds is not None,
        "llm.cost.microdollars": None if cost is None else float(cost),
        **_gpu(record.gpu),
    }
    return {name: value for name, value in every.items() if value is not None}


def _gen_ai(record: RequestRecord, usage: str) -> dict[str, AttributeValue | None]:
    if record.operation is Operation.OTHER:
        # No model ran: whoever counts spans with an operation would count a listing as a call.
        return {}
    return {
        "gen_ai.operation.name": record.operation.value,
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": record.model,
        "gen_ai.request.stream": record.stream,
        **dict(_parameters(record)),
        "gen_ai.response.id": record.response_id,
        "gen_ai.response.model": record.engine_model,
        "gen_ai.response.finish_reasons": record.finish_reasons or None,
        f"{usage}.input_tokens": record.usage.input_tokens,
        f"{usage}.cache_read.input_tokens": record.usage.cached_input_tokens,
        f"{usage}.output_tokens": record.usage.output_tokens,
        f"{usage}.reasoning.output_tokens": record.parts.reasoning,
        "llm.usage.image.input_tokens": record.parts.image,
        "llm.usage.audio.input_tokens": record.parts.audio,
        "llm.usage.video.input_tokens": record.parts.video,
    }


def _parameters(record: RequestRecord) -> Iterator[tuple[str, int | float]]:
    for name, value in record.parameters:
        # One answer is no choice, and vLLM's top_k is 0 or -1 where it is off.
        if (name == "n" and value == 1) or (name == "top_k" and value < 1):
            continue
        if name in _DOUBLES:
            yield _DOUBLES[name], float(value)
        else:
            yield _WHOLE[name], value


def _http(record: RequestRecord) -> dict[str, AttributeValue | None]:
    address, port = record.listener or (None, None)
    return {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.status_code,
        # Any other path is the caller's text.
        "url.path": record.route if record.route.startswith("/") else None,
        "url.scheme": record.scheme,
        "server.address": address,
        "server.port": port,
    }


def _gpu(gpu: GpuUse | None) -> dict[str, AttributeValue | None]:
    if gpu is None:
        return {}
    return {
        "llm.gpu.seconds": gpu.nanoseconds / 1e9,
        "llm.gpu.cost.microdollars": gpu.microdollars,
        "llm.gpu.model_versions": "-".join(map(str, gpu.model_versions)),
    }
