"""The newest state of each alert that arrived, for drills and people: in memory and bounded."""

import datetime
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alertmanager.webhook import Alert
from server.signals.log_values import bounded, clean

KEPT = 500
ROOM = 8192
"""Characters of one alert's labels, and of its annotations, as JSON."""

State = dict[str, Any]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _text(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _state(alert: Alert, received: str) -> State:
    return {
        "labels": _bounded(alert["labels"]),
        "annotations": _bounded(alert.get("annotations", {})),
        "status": alert["status"],
        "starts_at": clean(alert["startsAt"][:64]),
        "ends_at": clean(str(alert.get("endsAt", ""))[:64]) or received,
        "received_at": received,
    }


def _bounded(texts: Mapping[str, str]) -> Mapping[str, Any]:
    # A lone surrogate is legal JSON, and no page that holds it can be sent.
    return bounded({clean(name): clean(text) for name, text in texts.items()}, ROOM)


def _key(alert: Alert) -> bytes:
    # The labels themselves may be as large as a webhook.
    return hashlib.sha256(json.dumps(alert["labels"], sort_keys=True).encode()).digest()


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("status", "starts_at"))


class Newest:
    """Keeps the alerts whose state changed last."""

    def __init__(self, now: Callable[[], datetime.datetime] = _now) -> None:
        self._now = now
        self.since = _text(now())
        """Since when alerts are kept: those of an earlier process stand in the logs."""
        self._states: dict[bytes, State] = {}
        self._lock = threading.Lock()

    def note(self, alerts: Sequence[Alert]) -> None:
        """Take the alerts in; `received_at` of a state is when it came first."""
        received = _text(self._now())
        with self._lock:
            for alert in alerts:
                self._take(alert, received)

    def _take(self, alert: Alert, received: str) -> None:
        key, state = _key(alert), _state(alert, received)
        known = self._states.get(key)
        if known and _same(known, state):
            # Its annotations may say another value by now.
            self._states[key] = {**state, "received_at": known["received_at"]}
            return
        self._states.pop(key, None)
        self._states[key] = state
        while len(self._states) > KEPT:
            del self._states[next(iter(self._states))]

    def listing(self) -> list[State]:
        """Every state kept, the one that changed last first."""
        with self._lock:
            return list(self._states.values())[::-1]
