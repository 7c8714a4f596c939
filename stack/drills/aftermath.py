"""Keeps people from being told of a drill after it: shipped windows are minutes long and saw it."""

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from stack.drills.rig import ALERTMANAGER
from stack.errors import Fault
from stack.http import answered, get_json

AUTHOR = "make drill"
SECONDS = 900
"""Longer than the windows of all but the slow error budgets."""
HEARD = ("TargetDown", "TargetMissing", "EngineStalled", "LedgerError", "LedgerNotKept")
"""What ends with its cause has no window to remember a drill by: it is never kept back."""


def _post(silence: Mapping[str, Any]) -> None:
    status, why = answered(f"{ALERTMANAGER}/api/v2/silences", json.dumps(silence).encode())
    if status != 200:
        raise Fault(f"Alertmanager took no silence: {why}", "`make logs PART=alertmanager`")


def silence(names: Iterable[str], now: datetime.datetime) -> dict[str, Any]:
    """A silence of these alerts, and of no other."""
    pattern = "|".join(sorted({re.escape(name) for name in names}))
    matcher = {"name": "alertname", "value": pattern, "isRegex": True, "isEqual": True}
    ends = now + datetime.timedelta(seconds=SECONDS)
    return {
        "matchers": [matcher],
        "startsAt": now.isoformat(),
        "endsAt": ends.isoformat(),
        "createdBy": AUTHOR,
        "comment": "aftermath of a drill",
    }


def quiet(names: Iterable[str]) -> None:
    """Silence those of these alerts that outlast a drill; raises Fault for a refusal."""
    if lasting := set(names) - set(HEARD):
        _post(silence(lasting, datetime.datetime.now(datetime.UTC)))


def lift() -> None:
    """End the silences of earlier drills: what they would keep back is to arrive now."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    for known in get_json(f"{ALERTMANAGER}/api/v2/silences") or []:
        if known["createdBy"] == AUTHOR and known["status"]["state"] != "expired":
            kept = {
                key: known[key] for key in ("id", "matchers", "startsAt", "createdBy", "comment")
            }
            _post({**kept, "endsAt": soon.isoformat()})
