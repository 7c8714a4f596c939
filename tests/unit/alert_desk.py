"""alertlog and what stands around it in tests: its settings, a Prometheus, one question to it."""

import http.client
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from alertmanager.settings import Settings, load

REPO = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SELECTOR = 'gen_ai_server_request_duration_seconds_bucket{job="llm-server", model="tiny"}'
PATIENCE = 30.0
"""Seconds for an answer that has to come: less would ask how fast the machine is."""
FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "TargetDown", "severity": "critical", "job": "tempo"},
    "annotations": {
        "summary": "tempo is down",
        "runbook_url": "http://127.0.0.1:9095/runbooks/targets#targetdown",
    },
    "startsAt": "2026-11-23T20:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
WATCHDOG = {**FIRING, "labels": {"alertname": "Watchdog", "severity": "none"}}


def settings(**env: str) -> Settings:
    return load({"ALERTLOG_DOCS": str(REPO / "docs"), **env})


def exemplar(value: object, trace_id: object = TRACE, at: object = 1795809600.0) -> dict[str, Any]:
    return {"labels": {"trace_id": trace_id, "span_id": SPAN}, "value": value, "timestamp": at}


def exemplars(*found: object) -> bytes:
    series = {"seriesLabels": {"le": "1.0"}, "exemplars": list(found)}
    return json.dumps({"status": "success", "data": [series]}).encode()


class Collector(ThreadingHTTPServer):
    """_Takes OTLP logs, or answers `status` while that is not 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.status = 200
        self.received: list[ExportLogsServiceRequest] = []

    def records(self) -> list[Any]:
        resources = [r for request in self.received for r in request.resource_logs]
        return [record for r in resources for s in r.scope_logs for record in s.log_records]


class _Take(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.received.append(ExportLogsServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def exporter(collector: Collector, seconds: float = PATIENCE) -> OTLPLogExporter:
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}/v1/logs"
    return OTLPLogExporter(endpoint=endpoint, timeout=seconds)


def attributes(item: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in item.attributes}


class Prometheus(ThreadingHTTPServer):
    """Answers each question with the next of `bodies`, the last of them for ever."""

    daemon_threads = True

    def __init__(self, *bodies: bytes, status: int = 200, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.bodies = list(bodies)
        self.status = status
        self.location = location
        self.asked: list[dict[str, str]] = []


class _Answer(BaseHTTPRequestHandler):
    server: Prometheus

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        fields = {name: given[0] for name, given in parse_qs(parts.query).items()}
        self.server.asked.append({"path": parts.path, **fields})
        bodies = self.server.bodies
        body = bodies.pop(0) if len(bodies) > 1 else bodies[0]
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, str, Mapping[str, str]]:
    """Status, text and headers of one answer; a redirect is not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * PATIENCE)
    connection.request(method, path, body, dict(headers or {}))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers
