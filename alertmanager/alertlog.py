"""Alertmanager's default receiver: each state change of an alert becomes one OTLP log record."""

import json
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from prometheus_client import Counter
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import REGISTRY

from server.signals import otel_environment
from server.signals.log_values import MAX_LINE, MAX_TEXT, bounded, clean

MAX_BODY_BYTES = 1 << 20
EXPORT_SECONDS = 5.0
REMEMBERED = 10_000
"""State changes kept to tell a repetition by; each is about 200 bytes."""

ALERTS = Counter("alertlog_alerts_total", "Alerts received, by what became of them.", ["result"])
RESULTS = ("delivered", "failed", "repeated")
_RESOURCE = Resource({"service.name": "alertmanager"})
_SEVERITIES = {"critical": SeverityNumber.ERROR, "warning": SeverityNumber.WARN}

_LABELS = ("alertname", "severity")
_NOTES = ("summary", "description", "runbook")
_TAKEN = {
    "event", "status", "starts_at", "ends_at", *_NOTES,
    # What a store calls the record's own fields, its resource's and its scope's.
    "_msg", "_stream", "_stream_id", "_time", "body", "detected_level", "event_name", "flags",
    "level", "observed_timestamp", "scope_name", "scope_version", "service_name",
    "severity_number", "severity_text", "span_id", "trace_id",
}  # fmt: skip
"""Names of attributes that a label must not pass for: it gets a prefix instead."""

Alert = Mapping[str, Any]
Change = tuple[str, str, str]


class RefusedError(Exception):
    """A request that is not Alertmanager's: its HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _is_text(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _check(alert: object) -> Alert:
    if not isinstance(alert, dict) or alert.get("status") not in ("firing", "resolved"):
        raise RefusedError(400, "each alert needs a status, firing or resolved")
    if not _is_text(alert.get("labels")) or not _is_text(alert.get("annotations", {})):
        raise RefusedError(400, "an alert's labels and annotations must be objects of strings")
    if not alert["labels"].get("alertname") or not isinstance(alert.get("startsAt"), str):
        raise RefusedError(400, "each alert needs the label alertname and a startsAt")
    return alert


def read_alerts(body: bytes) -> list[Alert]:
    """The alerts of Alertmanager's webhook JSON, version 4; raises RefusedError with the reason."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("alerts"), list):
        raise RefusedError(400, "the body must be an object with a list `alerts`")
    return [_check(alert) for alert in message["alerts"]]


def _change(alert: Alert) -> Change:
    return json.dumps(alert["labels"], sort_keys=True), alert["status"], alert["startsAt"]


def to_record(alert: Alert) -> ReadableLogRecord:
    """One log record: a readable sentence, and as attributes the labels and annotations."""
    said = {name: clean(text) for name, text in _said(alert).items()}
    body = f"{said['status']}: {said['alertname']}: {said.get('summary', '')}".rstrip(": ")
    record = LogRecord(
        timestamp=time.time_ns(),
        severity_text=said["severity"][:MAX_TEXT],
        severity_number=_SEVERITIES.get(said["severity"], SeverityNumber.INFO),
        body=body[:MAX_LINE],
        attributes=bounded({**said, **_others(alert)}),
    )
    return ReadableLogRecord(log_record=record, resource=_RESOURCE)


def _said(alert: Alert) -> dict[str, str]:
    labels, notes, status = alert["labels"], alert.get("annotations", {}), alert["status"]
    ends = {"ends_at": str(alert.get("endsAt", ""))} if status == "resolved" else {}
    return {
        "event": f"alert_{status}",
        "alertname": labels["alertname"],
        "severity": labels.get("severity", "info"),
        "status": status,
        "starts_at": alert["startsAt"],
        **ends,
        **{name: notes[name] for name in _NOTES if name in notes},
    }


def _others(alert: Alert) -> dict[str, str]:
    labels, notes = alert["labels"], alert.get("annotations", {})
    own = {_free(name): labels[name] for name in labels if name not in _LABELS}
    more = {f"annotation_{name}": notes[name] for name in notes if name not in _NOTES}
    return {name: clean(text) for name, text in {**own, **more}.items()}


def _free(label: str) -> str:
    # Stores take a dot for an underscore, and the prefixes must not be taken for one another.
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", label)
    taken = plain in _TAKEN or plain.startswith(("label_", "annotation_"))
    return f"label_{label}" if taken else label


class AlertLog:
    """Delivers state changes one request at a time, and remembers those that were delivered."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._exporter = exporter
        self._delivered: dict[Change, None] = {}
        self._lock = threading.Lock()

    def deliver(self, alerts: Sequence[Alert]) -> bool:
        """Send what is new; False when the Collector did not take it, so that it is sent again."""
        with self._lock:
            # Alertmanager repeats a whole group whenever one alert of it changes.
            fresh = {_change(a): a for a in alerts if _change(a) not in self._delivered}
            ALERTS.labels("repeated").inc(len(alerts) - len(fresh))
            taken = not fresh or self._send(list(fresh.values()))
            if taken:
                self._remember(fresh)
        return taken

    def _send(self, alerts: Sequence[Alert]) -> bool:
        result = self._exporter.export([to_record(alert) for alert in alerts])
        taken = result is LogRecordExportResult.SUCCESS
        ALERTS.labels("delivered" if taken else "failed").inc(len(alerts))
        return taken

    def _remember(self, fresh: Mapping[Change, Alert]) -> None:
        self._delivered.update(dict.fromkeys(fresh))
        while len(self._delivered) > REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


class Handler(BaseHTTPRequestHandler):
    """POST /alerts, GET /health and GET /metrics."""

    server: "Server"
    timeout = 15

    def do_GET(self) -> None:
        """Answer /health and /metrics, 404 for anything else."""
        if self.path == "/health":
            self._answer(200, "ok\n")
        elif self.path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(REGISTRY).decode(), kind)
        else:
            self._answer(404, "GET /health, GET /metrics or POST /alerts\n")

    def do_POST(self) -> None:
        """Take a webhook: 200 delivered, 503 try again, 4xx with the reason."""
        try:
            taken = self.server.alertlog.deliver(read_alerts(self._body()))
        except RefusedError as refused:
            self._answer(refused.status, f"{refused}\n")
        else:
            late = "the Collector does not take logs now; send again\n"
            self._answer(*(200, "delivered\n") if taken else (503, late))

    def _body(self) -> bytes:
        if self.path != "/alerts":
            raise RefusedError(404, "alerts go to POST /alerts")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(411, "a Content-Length is needed")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"at most {MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        data = text.encode()
        # What was not read of a refused body must not be taken for the next request.
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's name
        """Say nothing for each request: /metrics counts them."""


class Server(ThreadingHTTPServer):
    """The HTTP server, holding what its handlers deliver to."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], alertlog: AlertLog) -> None:
        super().__init__(address, Handler)
        self.alertlog = alertlog


def exporter_to(endpoint: str) -> LogRecordExporter:
    """Sends log records to the Collector there, past any proxy."""
    return OTLPLogExporter(**otel_environment.target(endpoint, "logs", EXPORT_SECONDS))


def main() -> None:
    """Serve until ended; ALERTLOG_HOST and ALERTLOG_OTLP_ENDPOINT say where to listen and send."""
    endpoint = os.environ.get("ALERTLOG_OTLP_ENDPOINT", "http://127.0.0.1:4318").rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        fix = "must begin with http:// or https://, such as http://127.0.0.1:4318"
        raise SystemExit(f"environment: ALERTLOG_OTLP_ENDPOINT: '{endpoint}' {fix}")
    for result in RESULTS:
        ALERTS.labels(result)
    host = os.environ.get("ALERTLOG_HOST", "127.0.0.1")
    Server((host, 9095), AlertLog(exporter_to(endpoint))).serve_forever()


if __name__ == "__main__":
    main()
