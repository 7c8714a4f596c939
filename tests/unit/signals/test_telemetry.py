"""Telemetry: made = delivered + failed + dropped + waiting, whatever the exporter does."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import REGISTRY

from server.signals import otlp
from server.signals.otlp import CountingLogProcessor, CountingSpanProcessor, ItemCounts
from tests.unit.helpers import delta, settings

ROOM = 512
"""Items that wait at most in these tests; a batch of OpenTelemetry may not be larger."""
PATIENCE = 60.0
"""Seconds for what has to come about; less would ask how fast the machine is."""


class Behaviour:
    """How the far end answers: 'works', 'fails', 'raises', or nothing until `free` is set."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.free = threading.Event()
        self.entered = threading.Event()
        self.seen = 0

    def answer(self, batch: Sequence[Any]) -> bool:
        self.entered.set()
        if self.kind == "blocks":
            self.free.wait(PATIENCE)
        if self.kind == "raises":
            raise ConnectionError("no Collector")
        self.seen += len(batch)
        return self.kind != "fails"


class Spans(SpanExporter):
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        good = self._behaviour.answer(spans)
        return SpanExportResult.SUCCESS if good else SpanExportResult.FAILURE


class Logs(LogRecordExporter):
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def export(self, batch: Sequence[Any]) -> LogRecordExportResult:
        good = self._behaviour.answer(batch)
        return LogRecordExportResult.SUCCESS if good else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        return None

    def force_flush(self, timeout_millis: int = 10000) -> bool:
        return True


class Pipeline(Protocol):
    def make(self, items: int) -> None: ...
    def flush(self) -> None: ...
    def end(self) -> None: ...


class SpanPipeline:
    def __init__(self, behaviour: Behaviour, counts: ItemCounts) -> None:
        self._provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
        processor = CountingSpanProcessor(Spans(behaviour), counts, delay_ms=50_000)
        self._provider.add_span_processor(processor)

    def make(self, items: int) -> None:
        tracer = self._provider.get_tracer("test")
        for _ in range(items):
            tracer.start_span("x").end()

    def flush(self) -> None:
        self._provider.force_flush(int(1000 * PATIENCE))

    def end(self) -> None:
        self._provider.shutdown()


class LogPipeline:
    def __init__(self, behaviour: Behaviour, counts: ItemCounts) -> None:
        self._provider = LoggerProvider(resource=Resource({}), shutdown_on_exit=False)
        self._provider.add_log_record_processor(CountingLogProcessor(Logs(behaviour), counts))

    def make(self, items: int) -> None:
        logger = self._provider.get_logger("test")
        for _ in range(items):
            logger.emit(LogRecord(body="x", timestamp=time.time_ns()))

    def flush(self) -> None:
        self._provider.force_flush(int(1000 * PATIENCE))

    def end(self) -> None:
        self._provider.shutdown()


class Counts:
    """What one signal counted since it was made."""

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.items = ItemCounts(signal)
        self._grown = {
            result: delta("llm_telemetry_items_total", signal=signal, result=result)
            for result in ("made", "delivered", "failed", "dropped")
        }

    def __call__(self) -> dict[str, float]:
        return {result: grown() for result, grown in self._grown.items() if grown()}

    @property
    def waiting(self) -> float:
        found = {result: grown() for result, grown in self._grown.items()}
        return found["made"] - found["delivered"] - found["failed"] - found["dropped"]


@pytest.fixture(params=["spans", "logs"])
def counts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Counts:
    monkeypatch.setattr(otlp, "CAPACITY", ROOM)
    return Counts(request.param)


Made = tuple[Pipeline, Behaviour]


@pytest.fixture
def far_end(request: pytest.FixtureRequest, counts: Counts) -> Iterator[Made]:
    behaviour = Behaviour(request.param)
    kind = {"spans": SpanPipeline, "logs": LogPipeline}[counts.signal]
    pipeline: Pipeline = kind(behaviour, counts.items)
    yield pipeline, behaviour
    behaviour.free.set()
    pipeline.end()


def reaches(condition: Any) -> bool:
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return bool(condition())


@pytest.mark.parametrize("far_end", ["works"], indirect=True)
def test_what_arrives_is_delivered(counts: Counts, far_end: Made) -> None:
    pipeline, behaviour = far_end
    pipeline.make(10)
    pipeline.flush()
    assert counts() == {"made": 10, "delivered": 10}
    assert behaviour.seen == 10
    assert counts.waiting == 0


@pytest.mark.parametrize("far_end", ["fails", "raises"], indirect=True)
def test_what_the_exporter_gives_up_is_failed(counts: Counts, far_end: Made) -> None:
    pipeline, _ = far_end
    pipeline.make(10)
    pipeline.flush()
    assert counts() == {"made": 10, "failed": 10}
    assert counts.waiting == 0


@pytest.mark.parametrize("far_end", ["blocks"], indirect=True)
def test_a_blocked_exporter_fills_the_room_and_the_rest_is_dropped(
    counts: Counts, far_end: Made
) -> None:
    pipeline, behaviour = far_end
    # A full batch wakes the exporter, which holds it; it stays in the counts.
    pipeline.make(ROOM)
    assert behaviour.entered.wait(PATIENCE)
    pipeline.make(7)
    assert counts() == {"made": ROOM + 7, "dropped": 7}
    assert counts.waiting == ROOM
    behaviour.free.set()
    assert reaches(lambda: counts.waiting == 0)
    pipeline.make(3)
    pipeline.flush()
    assert counts() == {"made": ROOM + 10, "delivered": ROOM + 3, "dropped": 7}


@pytest.mark.parametrize("far_end", ["works"], indirect=True)
def test_the_end_delivers_what_waits(counts: Counts, far_end: Made) -> None:
    pipeline, _ = far_end
    pipeline.make(5)
    pipeline.end()
    assert counts() == {"made": 5, "delivered": 5}


@pytest.mark.parametrize("far_end", ["works"], indirect=True)
def test_many_threads_lose_no_count(counts: Counts, far_end: Made) -> None:
    pipeline, behaviour = far_end
    threads = [threading.Thread(target=pipeline.make, args=(100,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipeline.flush()
    assert counts() == {"made": 400, "delivered": 400}
    assert behaviour.seen == 400


def test_every_result_is_a_series_from_the_start() -> None:
    ItemCounts("fresh")
    for result in ("made", "delivered", "failed", "dropped"):
        labels = {"signal": "fresh", "result": result}
        assert REGISTRY.get_sample_value("llm_telemetry_items_total", labels) == 0.0


def test_the_room_is_what_the_documentation_says() -> None:
    assert otlp.CAPACITY == 16384


def test_the_resource_joins_traces_and_metrics() -> None:
    resource = otlp.resource(settings(instance="server:9464"), "0.32.0")
    attributes = resource.attributes
    alike = Resource(attributes, resource.schema_url)
    assert (resource, hash(resource)) == (alike, hash(alike))
    assert attributes["service.name"] == "llm-server"
    assert attributes["service.version"] == "0.32.0"
    assert attributes["service.instance.id"] == "server:9464"


@pytest.mark.parametrize(
    ("make", "signal"), [("span_exporter", "traces"), ("log_exporter", "logs")]
)
def test_exporters_speak_to_their_own_path_and_workers_start_none(
    monkeypatch: pytest.MonkeyPatch, make: str, signal: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
    exporter = getattr(otlp, make)("http://127.0.0.1:4318")
    assert exporter._endpoint == f"http://127.0.0.1:4318/v1/{signal}"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in os.environ
    exporter.shutdown()
