"""A run as the stack sees it: its numbers and a CLIENT span per request, pushed over OTLP.

Made in the process that sends, after gevent's patch and after any fork: its threads are greenlets
then. Nothing here waits for the Collector but `begin` and `close`, both bounded.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from loadtest import objectives as slo
from loadtest.instruments import Instruments
from loadtest.objectives import Objectives
from loadtest.rows import Row, Stage

SERVICE_NAME = "loadtest"
"""The job in Prometheus; the run's id is the instance."""
PUSH_SECONDS, TRY_SECONDS, CLOSE_SECONDS = 5.0, 2.0, 5.0
"""Between two pushes of the numbers, for one push, and for the last of both signals."""
MOST_SPANS = 16384
"""Spans that wait for the Collector; more are dropped."""
SCHEMA_URL = Schemas.V1_44_0.value
NO_ERROR = ("ok", "aborted")
"""Outcomes without an error: whoever hangs up on purpose has got what it wanted."""


class LoadTelemetry:
    """Pushes one process's part of a run to the Collector at `endpoint`, by `run_id` and `worker`.

    No variable of OpenTelemetry's and no proxy counts, and no global provider is set or used.
    """

    def __init__(
        self, endpoint: str, run_id: str, worker: str = "0", objectives: Objectives | None = None
    ) -> None:
        # The SDK reads them whenever one of its objects is made.
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            del os.environ[name]
        resource = Resource({"service.name": SERVICE_NAME, "service.instance.id": run_id})
        self._meters = MeterProvider(
            [
                PeriodicExportingMetricReader(
                    OTLPMetricExporter(**_target(endpoint, "metrics")),
                    PUSH_SECONDS * 1000,
                    TRY_SECONDS * 1000,
                )
            ],
            resource,
            TraceBasedExemplarFilter(),
            shutdown_on_exit=False,
        )
        self._tracers = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=_Ids()
        )
        spans = OTLPSpanExporter(**_target(endpoint, "traces"))
        self._tracers.add_span_processor(BatchSpanProcessor(spans, MOST_SPANS, 500))
        self._tracer = self._tracers.get_tracer(__name__, schema_url=SCHEMA_URL)
        meter = self._meters.get_meter(__name__)
        self._numbers = Instruments(meter, objectives or slo.read(), worker)
        self._closed = False

    def begin(self, shape: str, model: str, seed: int, kinds: Iterable[str]) -> None:
        """Say what the run is and that all its counts are zero, at once: for 2 s at most.

        `kinds` are all that its rows will name.
        """
        self._numbers.begin(shape, model, seed, kinds)
        _within(TRY_SECONDS, self._meters.force_flush)

    def stage(self, stage: Stage) -> None:
        """Say which stage runs from now on."""
        self._numbers.stage(stage)

    def in_flight(self, delta: int) -> None:
        """Change the number of requests in flight."""
        self._numbers.in_flight(delta)

    def dropped(self, requests: int = 1) -> None:
        """Count requests that were due and never sent."""
        self._numbers.dropped(requests)

    def ended(self, row: Row) -> None:
        """Count a request that ended and observe its times, in seconds from its intended start."""
        self._numbers.ended(row)

    def start_span(self, operation: str, model: str, start_ns: int) -> tuple[str, str, Span]:
        """Start the root span of a request at Unix nanoseconds; its trace_id and span_id in hex.

        `operation` is gen_ai.operation.name, `chat` or `text_completion`.
        """
        named = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "vllm",
            "gen_ai.request.model": model,
        }
        name = f"{operation} {model}"
        span = self._tracer.start_span(name, Context(), SpanKind.CLIENT, named, start_time=start_ns)
        ids = span.get_span_context()
        return f"{ids.trace_id:032x}", f"{ids.span_id:016x}", span

    def end_span(self, span: Span, row: Row) -> None:
        """End the span where its row ends, with what the row knows."""
        failed = row.outcome not in NO_ERROR
        found: dict[str, AttributeValue | None] = {
            "gen_ai.request.stream": row.stream,
            "gen_ai.usage.input_tokens": row.input_tokens,
            "gen_ai.usage.output_tokens": row.output_tokens,
            "http.response.status_code": row.status,
            "error.type": row.ended_as if failed else None,
        }
        span.set_attributes({name: value for name, value in found.items() if value is not None})
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(row.request_end_ns)

    def close(self) -> None:
        """Say that the run is over and send what waits, for 5 s at most; once."""
        if self._closed:
            return
        self._closed = True
        self._numbers.over()
        _within(CLOSE_SECONDS, self._meters.shutdown, self._tracers.shutdown)


class _Ids(IdGenerator):
    """Ids that no seed repeats: two runs of one seed are two sets of traces."""

    def generate_trace_id(self) -> int:
        return secrets.randbelow(2**128 - 1) + 1

    def generate_span_id(self) -> int:
        return secrets.randbelow(2**64 - 1) + 1


def _target(endpoint: str, signal: str) -> dict[str, Any]:
    session = requests.Session()
    # The Collector is a neighbour.
    session.trust_env = False
    return {"endpoint": f"{endpoint}/v1/{signal}", "timeout": TRY_SECONDS, "session": session}


def _within(seconds: float, *calls: Callable[[], object]) -> None:
    """Make the calls side by side and wait for at most so long: the SDK's own limits add up."""
    until = time.monotonic() + seconds
    threads = [Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
