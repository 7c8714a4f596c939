"""Log records and spans of the day: the server's own, by the request's clock, over OTLP."""

import logging

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    InMemoryLogRecordExporter,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.pricing.request_cost import CostTracker
from server.record.request import RequestRecord
from server.settings import read_settings
from server.signals import otlp
from server.signals.log_events import read_event
from server.signals.log_records import to_record
from server.signals.logs import fields
from server.signals.tracing import Tracing
from tests.bench.day_requests import ended_ns

_LOGGER = "server.requests"


def resource() -> Resource:
    """The server's own, with its address as it is scraped natively."""
    return otlp.resource(read_settings({}), "0.32.0")


class Logs:
    """Turns requests into the log records that the server sends of them."""

    def __init__(self, costs: CostTracker, exporter: LogRecordExporter) -> None:
        self._costs = costs
        self._exporter = exporter
        self._kept = InMemoryLogRecordExporter()
        provider = LoggerProvider(resource=resource(), shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._kept))
        self._logger = provider.get_logger(_LOGGER)

    def add(self, record: RequestRecord) -> None:
        """Log the request at its end."""
        said = {"event": "request_finished", **fields(record, self._costs.cost(record))}
        line = logging.LogRecord(_LOGGER, logging.INFO, "", 0, said, None, None)
        line.created = ended_ns(record) / 1e9
        self._logger.emit(to_record(read_event(line)))

    def send(self) -> bool:
        """Send what was logged since the last call; False when the Collector did not take it."""
        kept = self._kept.get_finished_logs()
        self._kept.clear()
        return self._exporter.export(kept) is LogRecordExportResult.SUCCESS


class Traces:
    """Turns requests into the spans that the server sends of them."""

    def __init__(self, costs: CostTracker, exporter: SpanExporter) -> None:
        self._costs = costs
        self._exporter = exporter
        self._kept = InMemorySpanExporter()
        self._tracing = Tracing(resource(), SimpleSpanProcessor(self._kept))

    def add(self, record: RequestRecord) -> None:
        """Trace the request."""
        self._tracing.replay(record, self._costs.cost(record))

    def send(self) -> bool:
        """Send the spans since the last call; False when the Collector did not take them."""
        kept = self._kept.get_finished_spans()
        self._kept.clear()
        return self._exporter.export(kept) is SpanExportResult.SUCCESS
