"""A store or a backend that a test brings: OTLP over HTTP, kept, refused or held up."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Sink(ThreadingHTTPServer):
    """Keeps spans, log records and names of metrics; `status` is what it answers instead."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.asked: list[dict[str, str]] = []
        self.spans: list[Any] = []
        self.lines: list[dict[str, Any]] = []
        self.metrics: set[str] = set()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Takes connections and answers none for the block."""
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def keep(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        elif path.endswith("/v1/logs"):
            for one in ExportLogsServiceRequest.FromString(body).resource_logs:
                found = [record for scope in one.scope_logs for record in scope.log_records]
                self.lines += [fields(record) for record in found]
        elif path.endswith("/v1/metrics"):
            for some in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                found = [metric.name for scope in some.scope_metrics for metric in scope.metrics]
                self.metrics |= set(found)


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.asked.append({name.lower(): text for name, text in self.headers.items()})
        self.server.open.wait()
        if self.server.status == 200:
            self.server.keep(self.path, body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return None


def value(held: Any) -> Any:
    """The Python value of an attribute's."""
    kind = held.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in held.array_value.values]
    return getattr(held, kind) if kind else None


def fields(record: Any) -> dict[str, Any]:
    """A log record's attributes and ids."""
    ids = {"trace_id": record.trace_id.hex(), "span_id": record.span_id.hex()}
    return {**ids, **{each.key: value(each.value) for each in record.attributes}}
