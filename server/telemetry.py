"""OTLP out, losses counted: a span or log is delivered, failed or dropped, never just gone."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

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

from server.metrics import TELEMETRY_ITEMS
from server.settings import Settings

CAPACITY = 16384
"""Spans, and logs, that wait for the Collector: about 2,700 requests; more are dropped, counted."""
EXPORT_SECONDS = 60.0
"""How long one batch is retried: the Collector may restart within it and nothing is lost."""
SERVICE_NAME = "llm-server"


def resource(settings: Settings, version: str) -> Resource:
    """Who speaks; service.instance.id equals the scrape's `instance`, so that signals join."""
    names = {
        "service.name": SERVICE_NAME,
        "service.version": version,
        "service.instance.id": settings.instance,
    }
    return Resource.create(names)


class Account:
    """Counts the items of one signal: made = delivered + failed + dropped + waiting."""

    def __init__(self, signal: str) -> None:
        self._counters = {
            result: TELEMETRY_ITEMS.labels(signal, result)
            for result in ("made", "delivered", "failed", "dropped")
        }
        self._waiting = 0

    def admit(self) -> bool:
        """Count one made item; False where there is no room for it, which is counted too."""
        self._counters["made"].inc()
        if self._waiting >= CAPACITY:
            self._counters["dropped"].inc()
            return False
        self._waiting += 1
        return True

    def settle(self, items: int, delivered: bool) -> None:
        """Count a batch that left the queue."""
        self._waiting -= items
        self._counters["delivered" if delivered else "failed"].inc(items)


class CountingSpanExporter(SpanExporter):
    """Hands batches on and counts what became of them."""

    def __init__(self, inner: SpanExporter, account: Account) -> None:
        self._inner = inner
        self._account = account

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._account.settle(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the connection."""
        self._inner.shutdown()


class CountingSpanProcessor(BatchSpanProcessor):
    """Batches spans; a full queue refuses the newest and counts it."""

    def __init__(self, exporter: SpanExporter, account: Account, delay_ms: float = 500) -> None:
        super().__init__(
            CountingSpanExporter(exporter, account),
            max_queue_size=CAPACITY,
            schedule_delay_millis=delay_ms,
        )
        self._account = account

    def on_end(self, span: ReadableSpan) -> None:
        """Queue an ended span."""
        if self._account.admit():
            super().on_end(span)


class CountingLogExporter(LogRecordExporter):
    """Hands batches on and counts what became of them."""

    def __init__(self, inner: LogRecordExporter, account: Account) -> None:
        self._inner = inner
        self._account = account

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export a batch."""
        result = LogRecordExportResult.FAILURE
        try:
            result = self._inner.export(batch)
        finally:
            self._account.settle(len(batch), result is LogRecordExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End the connection."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush what the inner exporter keeps."""
        return self._inner.force_flush(timeout_millis)


class CountingLogProcessor(LogRecordProcessor):
    """Batches log records; a full queue refuses the newest and counts it."""

    def __init__(self, exporter: LogRecordExporter, account: Account) -> None:
        self._account = account
        self._batches = BatchLogRecordProcessor(
            CountingLogExporter(exporter, account),
            max_queue_size=CAPACITY,
            schedule_delay_millis=500,
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a log record."""
        if self._account.admit():
            self._batches.on_emit(log_record)

    def shutdown(self) -> None:
        """Export what waits, then end."""
        self._batches.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits now."""
        return self._batches.force_flush(timeout_millis)


def span_exporter(endpoint: str) -> SpanExporter:
    """OTLP over HTTP for spans."""
    return OTLPSpanExporter(**_target(endpoint, "traces"))


def log_exporter(endpoint: str) -> LogRecordExporter:
    """OTLP over HTTP for logs."""
    return OTLPLogExporter(**_target(endpoint, "logs"))


def _target(endpoint: str, signal: str) -> Mapping[str, Any]:
    # Left set, vLLM's workers would each start an exporter of their own.
    os.environ.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
    return {"endpoint": f"{endpoint}/v1/{signal}", "timeout": EXPORT_SECONDS}
