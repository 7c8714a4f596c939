"""The worst request of each alert that names a selector of exemplars."""

import math
import time
from collections.abc import Sequence
from datetime import datetime

from alertmanager.webhook import Alert
from alertmanager.worst import Exemplar, UnansweredError, Worst, is_selector, within

NOTE = "exemplars"
"""The annotation that holds the selector."""
PATIENCE_SECONDS = 2.0
"""What all alerts of one delivery may wait together."""


def _moment(text: object, default: float) -> float:
    """Unix seconds of an RFC 3339 time that lies before the default, else the default."""
    try:
        moment = datetime.fromisoformat(str(text)).timestamp()
    except (OverflowError, ValueError):
        return default
    return moment if math.isfinite(moment) and 0 < moment < default else default


def of_alerts(worst: Worst | None, alerts: Sequence[Alert]) -> list[Exemplar | None]:
    """For each alert its worst exemplar; None where it names none or Prometheus is too slow."""
    found: list[Exemplar | None] = [None] * len(alerts)
    wanted = [index for index, alert in enumerate(alerts) if _selector(alert)]
    if worst is None or not wanted:
        return found

    until = time.monotonic() + PATIENCE_SECONDS

    def ask() -> None:
        for index in wanted:
            # Nobody waits for it any more, and whoever follows a link would be sent away.
            if (seconds := until - time.monotonic()) > 0:
                found[index] = _find(worst, alerts[index], seconds)

    within(PATIENCE_SECONDS, ask)
    # What comes later may not change what is handed out.
    return list(found)


def _selector(alert: Alert) -> str:
    selector = str(alert.get("annotations", {}).get(NOTE, ""))
    return selector if is_selector(selector) else ""


def _find(worst: Worst, alert: Alert, seconds: float) -> Exemplar | None:
    now = time.time()
    until = _moment(alert.get("endsAt"), now) if alert["status"] == "resolved" else now
    try:
        return worst.find(_selector(alert), _moment(alert["startsAt"], until), until, seconds)
    except UnansweredError:
        return None
