"""Hands each state change of an alert to the Collector, once."""

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from prometheus_client import Counter

from alertmanager import exemplars
from alertmanager.records import to_record
from alertmanager.webhook import Alert
from alertmanager.worst import Worst
from server.signals import otel_environment

EXPORT_SECONDS = 5.0
WAIT_SECONDS = 2.0
"""How long a delivery waits for another one's end: with the 2 s that it may wait for a trace and
the 5 s for the Collector it is answered before Alertmanager leaves, after 10 s at the soonest."""
REST_SECONDS = 3.0
"""How long after a failure the Collector is left alone."""
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

    def __init__(
        self,
        exporter: LogRecordExporter,
        worst: Worst | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exporter = exporter
        self._worst = worst
        self._now = now
        self._rests_until = -math.inf
        self._delivered: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def deliver(self, alerts: Sequence[Alert]) -> bool:
        """Send what is new; False when it was not taken, so that Alertmanager sends it again.

        The Collector did not take it, or did not take the last of 3 s ago, or others still wait.
        """
        # Whoever waited longer would be gone when its turn came, and its thread would not.
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            ALERTS.labels("failed").inc(len(alerts))
            return False
        try:
            return self._deliver(alerts)
        finally:
            self._lock.release()

    def _deliver(self, alerts: Sequence[Alert]) -> bool:
        # Alertmanager repeats a whole group whenever one alert of it changes.
        fresh = {change: a for a in alerts if (change := _change(a)) not in self._delivered}
        ALERTS.labels("repeated").inc(len(alerts) - len(fresh))
        taken = not fresh or self._send(list(fresh.values()))
        if taken:
            self._remember(fresh)
        return taken

    def _send(self, alerts: Sequence[Alert]) -> bool:
        taken = self._now() >= self._rests_until and self._export(alerts)
        ALERTS.labels("delivered" if taken else "failed").inc(len(alerts))
        return taken

    def _export(self, alerts: Sequence[Alert]) -> bool:
        found = exemplars.of_alerts(self._worst, alerts)
        result = self._exporter.export(list(map(to_record, alerts, found)))
        if result is not LogRecordExportResult.SUCCESS:
            self._rests_until = self._now() + REST_SECONDS
        return result is LogRecordExportResult.SUCCESS

    def _remember(self, fresh: Mapping[bytes, Alert]) -> None:
        self._delivered.update(dict.fromkeys(fresh))
        while len(self._delivered) > REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


def exporter_to(endpoint: str) -> LogRecordExporter:
    """Sends log records to the Collector there, past any proxy."""
    return OTLPLogExporter(**otel_environment.target(endpoint, "logs", EXPORT_SECONDS))
