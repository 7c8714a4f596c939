"""The dead man's switch: when the last Watchdog came all the way from Prometheus to here."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge

from alertmanager.webhook import Alert

NAME = "Watchdog"
SILENT_SECONDS = 180.0
"""Alertmanager sends one a minute: so much is two that did not come, and some patience."""

ARRIVED = Gauge(
    "alertlog_heartbeat_timestamp_seconds",
    "Unix time of the last Watchdog that arrived, 0 before the first.",
)


@dataclass(frozen=True)
class Pulse:
    """`ok`, `waiting` (none yet, and not long since the start) or `silent`; seconds, or None."""

    status: str
    age_seconds: float | None


class Heartbeat:
    """Remembers the last arrival; `clock` is in seconds and never stepped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._last: float | None = None
        self._lock = threading.Lock()

    def note(self, alerts: Sequence[Alert]) -> bool:
        """Mark the arrival where a firing Watchdog is among the alerts; False without one."""
        is_one = any(
            alert["labels"]["alertname"] == NAME and alert["status"] == "firing" for alert in alerts
        )
        if is_one:
            with self._lock:
                self._last = self._clock()
            ARRIVED.set_to_current_time()
        return is_one

    def pulse(self) -> Pulse:
        """How it stands now."""
        with self._lock:
            last, now = self._last, self._clock()
        if last is None:
            early = now - self._started <= SILENT_SECONDS
            return Pulse("waiting" if early else "silent", None)
        return Pulse("ok" if now - last <= SILENT_SECONDS else "silent", round(now - last, 3))
