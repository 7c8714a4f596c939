"""Hands each state change of an alert to the Collector, once."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from prometheus_client import Counter

from alertmanager import exemplars
from alertmanager.records import to_record
from alertmanager.webhook import Alert
from alertmanager.worst import Worst
from server.signals import otel_environment

EXPORT_SECONDS = 5.0
REMEMBERED = 10_000
"""State changes kept to tell a repetition by; each takes some 125 bytes, whatever its labels."""

ALERTS = Counter("alertlog_alerts_total", "Alerts received, by what became of them.", ["result"])
RESULTS = ("delivered", "failed", "repeated")



def _change(alert: Alert) -> bytes:
    # Labels and start may be as large as a webhook: all of them count, none of them is kept.
    change = alert["labels"], alert["status"], alert["startsAt"]
    return hashlib.sha256(json.dumps(change, sort_keys=True).encode()).digest()


class AlertLog:
    """Delivers state changes one request at a time, and remembers those that were delivered.

    Each with the trace of its worst request, if the Prometheus of `worst` knows one at once.
    """

    def __init__(self, exporter: LogRecordExporter, worst: Worst | None = None) -> None:
        self._exporter = exporter
        self._worst = worst
        self._delivered: dict[bytes, None] = {}
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
        found = exemplars.of_alerts(self._worst, alerts)
        result = self._exporter.export(list(map(to_record, alerts, found)))
        taken = result is LogRecordExportResult.SUCCESS
        ALERTS.labels("delivered" if taken else "failed").inc(len(alerts))
        return taken

    def _remember(self, fresh: Mapping[bytes, Alert]) -> None:
        self._delivered.update(dict.fromkeys(fresh))
        while len(self._delivered) > REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


def exporter_to(endpoint: str) -> LogRecordExporter:
    """Sends log records to the Collector there, past any proxy."""
    return OTLPLogExporter(**otel_environment.target(endpoint, "logs", EXPORT_SECONDS))
