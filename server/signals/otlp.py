"""OTLP out, losses counted: a span or log is delivered, failed or dropped, never just gone."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.types import AnyValue

from server.settings import Settings
from server.signals import otel_environment
from server.signals.instruments import TELEMETRY_ITEMS

CAPACITY = 16384
"""Spans, and logs, that wait for the Collector: about 2,700 requests; more are dropped, counted."""
EXPORT_DELAY_MS = 1000.0
"""How long an item waits for others: each batch is a request of its own, 0.6 ms of CPU time."""
EXPORT_SECONDS = 60.0
"""How long one batch is retried: the Collector may restart within it and nothing is lost."""
SERVICE_NAME = "llm-server"


class _Resource(Resource):
    """Hashed once: the encoder asks for it for each span, and it is written out as JSON for it."""

    def __init__(self, attributes: Mapping[str, AnyValue], schema_url: str | None) -> None:
        super().__init__(attributes, schema_url)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


def resource(settings: Settings, version: str) -> Resource:
    """Who speaks; service.instance.id equals the scrape's `instance`, so that signals join."""
    names = {
        "service.name": SERVICE_NAME,
        "service.version": version,
        "service.instance.id": settings.instance,
    }
    otel_environment.clean(os.environ)
    found = Resource.create(names)
    refused = set(otel_environment.foreign(found.attributes)) - names.keys()
    kept = {name: value for name, value in found.attributes.items() if name not in refused}
    return _Resource(kept, found.schema_url)


class ItemCounts:
    """Counts the items of one signal: made = delivered + failed + dropped + waiting."""

    def __init__(self, signal: str) -> None:
        self._counters = {
            result: TELEMETRY_ITEMS.labels(signal, result)
            for result in ("made", "delivered", "failed", "dropped")
        }
        self._one = threading.Lock()
        self._room = CAPACITY
        self._waiting = 0

    def admit(self) -> bool:
        """Count one made item; False where there is no room for it, which is counted too."""
        with self._one:
            self._counters["made"].inc()
            if self._waiting >= self._room:
                self._counters["dropped"].inc()
                return False
            self._waiting += 1
            return True

    def settle(self, items: int, delivered: bool) -> None:
        """Count a batch that left the queue."""
        with self._one:
            # After the end all that waited counts as dropped, a batch under way too.
            items = min(items, self._waiting)
            self._waiting -= items
            self._counters["delivered" if delivered else "failed"].inc(items)

    def close(self) -> int:
        """Count what waits as dropped, and from now on all that is made; return what waited."""
        with self._one:
            lost, self._waiting, self._room = self._waiting, 0, 0
            self._counters["dropped"].inc(lost)
            return lost


class CountingSpanExporter(SpanExporter):
    """Hands batches on and counts what became of them."""

    def __init__(self, inner: SpanExporter, counts: ItemCounts) -> None:
        self._inner = inner
        self._counts = counts
        self._ended = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._counts.settle(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the connection, and the wait for another try."""
        if not self._ended:
            self._ended = True
            self._inner.shutdown()


class CountingSpanProcessor(BatchSpanProcessor):
    """Batches spans; a full queue refuses the newest and counts it."""

    def __init__(
        self, exporter: SpanExporter, counts: ItemCounts, delay_ms: float = EXPORT_DELAY_MS
    ) -> None:
        self._counting = CountingSpanExporter(exporter, counts)
        super().__init__(self._counting, max_queue_size=CAPACITY, schedule_delay_millis=delay_ms)
        self._counts = counts

    def on_end(self, span: ReadableSpan) -> None:
        """Queue an ended span."""
        if self._counts.admit():
            super().on_end(span)

    def give_up(self) -> int:
        """End the exporter; what it has not delivered is dropped, and its number returned."""
        self._counting.shutdown()
        return self._counts.close()


class CountingLogExporter(LogRecordExporter):
    """Hands batches on and counts what became of them."""

    def __init__(self, inner: LogRecordExporter, counts: ItemCounts) -> None:
        self._inner = inner
        self._counts = counts
        self._ended = False

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export a batch."""
        result = LogRecordExportResult.FAILURE
        try:
            result = self._inner.export(batch)
        finally:
            self._counts.settle(len(batch), result is LogRecordExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the connection, and the wait for another try."""
        if not self._ended:
            self._ended = True
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush what the inner exporter keeps."""
        return self._inner.force_flush(timeout_millis)


class CountingLogProcessor(LogRecordProcessor):
    """Batches log records; a full queue refuses the newest and counts it."""

    def __init__(self, exporter: LogRecordExporter, counts: ItemCounts) -> None:
        self._counts = counts
        self._counting = CountingLogExporter(exporter, counts)
        self._batches = BatchLogRecordProcessor(
            self._counting, max_queue_size=CAPACITY, schedule_delay_millis=EXPORT_DELAY_MS
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a log record."""
        if self._counts.admit():
            self._batches.on_emit(log_record)

    def shutdown(self) -> None:
        """Export what waits, then end."""
        self._batches.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits now."""
        return self._batches.force_flush(timeout_millis)

    def give_up(self) -> int:
        """End the exporter; what it has not delivered is dropped, and its number returned."""
        self._counting.shutdown()
        return self._counts.close()


class WayOut(Protocol):
    """A signal's processor that can end within a time."""

    def shutdown(self) -> None:
        """Deliver what waits, however long that takes."""

    def give_up(self) -> int:
        """End at once; what is not delivered is dropped and counted, and its number returned."""


def end(ways: Sequence[WayOut], seconds: float) -> int:
    """Deliver what waits of every signal, side by side, for at most so many seconds.

    Returns how many items that was too short for.
    """
    until = time.monotonic() + seconds
    # The SDK takes no time-out for its end: one try of an exporter may take EXPORT_SECONDS.
    ending = [threading.Thread(target=way.shutdown, daemon=True) for way in ways]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(way.give_up() for way in ways)


def span_exporter(endpoint: str) -> SpanExporter:
    """OTLP over HTTP for spans."""
    return OTLPSpanExporter(**otel_environment.target(endpoint, "traces", EXPORT_SECONDS))


def log_exporter(endpoint: str) -> LogRecordExporter:
    """OTLP over HTTP for logs."""
    return OTLPLogExporter(**otel_environment.target(endpoint, "logs", EXPORT_SECONDS))
