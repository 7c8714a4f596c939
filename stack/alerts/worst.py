"""The worst request behind an alert: the highest of the exemplars that its rule points at."""

import time
from urllib.parse import urlencode

from stack.alerts.alert import Alert
from stack.http import get_json
from stack.request.signals import PROMETHEUS, Exemplar, read_exemplars

BEFORE_SECONDS = 900.0
"""How long before an alert fired its requests may have been: as alertlog's link looks back."""


def worst(alert: Alert) -> Exemplar | None:
    """The exemplar with the highest value since shortly before the alert; None without one."""
    selector = alert.notes.get("exemplars", "").strip()
    if not selector:
        return None
    query = {"query": selector, "start": alert.since - BEFORE_SECONDS, "end": time.time()}
    answer = get_json(f"{PROMETHEUS}/api/v1/query_exemplars?{urlencode(query)}")
    found = [one for one in read_exemplars(answer) if one.trace_id]
    return max(found, key=lambda one: one.value, default=None)
