"""Keeps people from being told of a drill after it: shipped windows are minutes long and saw it."""

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stack.drills.drill import Expected
from stack.errors import Fault
from stack.http import answered, get_json
from stack.receivers.running import URL as ALERTMANAGER

AUTHOR = "make drill"
Labels = tuple[tuple[str, str], ...]
SECONDS = 900
"""Longer than the windows of all but the slow error budgets."""
BUDGET_DAYS = 6
"""Twice the longest window of the error budgets, which the drill's own models burn."""
BUDGETS = "error budgets of models that only drills serve"
HEARD = (
    "AlertmanagerUnreachable",
    "EngineStalled",
    "LedgerError",
    "LedgerNotKept",
    "TargetDown",
    "TargetMissing",
)
"""What ends with its cause has no window to remember a drill by: it is never kept back."""


def _post(silence: Mapping[str, Any]) -> None:
    status, why = answered(f"{ALERTMANAGER}/api/v2/silences", json.dumps(silence).encode())
    if status != 200:
        raise Fault(f"Alertmanager took no silence: {why}", "`make logs PART=alertmanager`")


def silences(alerts: Iterable[Expected], now: datetime.datetime) -> Iterator[dict[str, Any]]:
    """Silences of these alerts with these labels, and of no other; one for each set of labels."""
    names: dict[Labels, set[str]] = {}
    for alert in alerts:
        if alert.name not in HEARD:
            names.setdefault(tuple(sorted(alert.labels.items())), set()).add(alert.name)
    for labels, named in sorted(names.items()):
        pattern = "|".join(sorted(map(re.escape, named)))
        yield {
            "matchers": [
                {"name": "alertname", "value": pattern, "isRegex": True, "isEqual": True},
                *(
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in labels
                ),
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + datetime.timedelta(seconds=SECONDS)).isoformat(),
            "createdBy": AUTHOR,
            "comment": "aftermath of a drill",
        }


def budgets(now: datetime.datetime) -> dict[str, Any]:
    """The silence of the budgets that no real model has."""
    return {
        "matchers": [
            {"name": "alertname", "value": "ErrorBudgetBurn", "isRegex": False, "isEqual": True},
            {"name": "model", "value": "drill.*", "isRegex": True, "isEqual": True},
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + datetime.timedelta(days=BUDGET_DAYS)).isoformat(),
        "createdBy": AUTHOR,
        "comment": BUDGETS,
    }


def quiet(alerts: Iterable[Expected], lifted: Iterable[Mapping[str, Any]] = ()) -> None:
    """Silence those of these alerts that outlast a drill, and go on with what lift() had ended.

    Raises Fault for a refusal.
    """
    now = datetime.datetime.now(datetime.UTC)
    still = [{**one, "startsAt": now.isoformat()} for one in lifted if _ends(one) > now]
    for silence in (*silences(alerts, now), *still, budgets(now)):
        _post(silence)


def _ends(silence: Mapping[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(silence["endsAt"])


def lift() -> list[dict[str, Any]]:
    """End the silences of earlier drills: what they would keep back is to arrive now.

    Returns them: what an earlier drill left outlasts this one.
    """
    soon, lifted = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1), []
    for known in get_json(f"{ALERTMANAGER}/api/v2/silences") or []:
        if known["createdBy"] == AUTHOR and known["status"]["state"] != "expired":
            kept = {
                key: known[key] for key in ("id", "matchers", "startsAt", "createdBy", "comment")
            }
            _post({**kept, "endsAt": soon.isoformat()})
            if known["comment"] != BUDGETS:
                del kept["id"]
                lifted.append({**kept, "endsAt": known["endsAt"]})
    return lifted
