"""Reads the alerts: Prometheus says what fires, Alertmanager who is told of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from stack.alerts.alert import WATCHDOG, Alert, is_time, moment
from stack.http import UNREADABLE, get_json
from stack.receivers.running import URL as ALERTMANAGER
from stack.request.signals import PROMETHEUS

Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Board:
    """All alerts, the worst first, and which of the two systems answered."""

    alerts: tuple[Alert, ...]
    prometheus: bool
    alertmanager: bool
    watchdog: bool
    """False when the alert that always fires does not: then silence is no good news."""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """What fires, suppressed or not."""
        return tuple(alert for alert in self.alerts if alert.is_firing)

    @property
    def pending(self) -> tuple[Alert, ...]:
        """What is true, but not for long enough."""
        return tuple(alert for alert in self.alerts if not alert.is_firing)

    @property
    def is_calm(self) -> bool:
        """True when nothing critical fires and something would be heard if it did."""
        heard = self.prometheus and self.alertmanager and self.watchdog
        return heard and not any(alert.is_critical for alert in self.alerts)


def _texts(found: Any) -> dict[str, str]:
    """Labels or annotations; raises TypeError for anything else."""
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise TypeError("labels and annotations are texts by name")
    return found


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise TypeError("what there are many of is a list")
    return found


def _when(text: str, seconds: float = 0.0) -> float:
    """So many seconds after a time stamp, in Unix seconds; raises ValueError for no such time."""
    since = moment(text) + seconds
    if not is_time(since):
        raise ValueError("no time of a calendar")
    return since


def _readable(ask: Callable[[], T]) -> T | None:
    """What `ask` makes of an answer; None for one that is none: something else is on that port."""
    try:
        return ask()
    except UNREADABLE:
        return None


def from_rules(groups: Iterable[Row]) -> Iterator[Alert]:
    """The alerts in an answer of Prometheus's /api/v1/rules.

    It says when an alert became true. When it fired is later by the rule's `for`.
    """
    rules = (rule for group in groups for rule in group["rules"] if rule["type"] == "alerting")
    for rule in rules:
        for row in rule["alerts"]:
            is_firing = row["state"] == "firing"
            waited = float(rule.get("duration", 0)) if is_firing else 0.0
            since = _when(row["activeAt"], waited)
            notes = _texts(row.get("annotations", {}))
            value = notes.get("value") or str(row.get("value", ""))
            yield Alert(_texts(row["labels"]), notes, is_firing, since, value)


def _quiet(row: Row, names: Mapping[str, str], silences: Mapping[str, str]) -> Iterator[str]:
    """Who keeps this alert of Alertmanager's from being told: silences, alerts, hours."""
    status = row.get("status", {})
    for identity in status.get("silencedBy") or ():
        yield f"silence {silences.get(identity, identity)}"
    for fingerprint in status.get("inhibitedBy") or ():
        yield names.get(fingerprint, f"alert {fingerprint}")
    for interval in status.get("mutedBy") or ():
        yield f"mute time {interval}"


def from_alertmanager(rows: Iterable[Row], silences: Iterable[Row]) -> Iterator[Alert]:
    """The alerts in an answer of Alertmanager's /api/v2/alerts."""
    rows = list(rows)
    names = {row.get("fingerprint", ""): row["labels"].get("alertname", "?") for row in rows}
    reasons = {one["id"]: f"by {one['createdBy']}: {one['comment']}" for one in silences}
    for row in rows:
        notes, since = _texts(row.get("annotations", {})), _when(row["startsAt"])
        quiet = tuple(dict.fromkeys(_quiet(row, names, reasons)))
        yield Alert(_texts(row["labels"]), notes, True, since, notes.get("value", ""), quiet)


def together(known: Iterable[Alert], told: Iterable[Alert]) -> tuple[Alert, ...]:
    """What both say of each alert, the worst first; what Alertmanager alone has was sent to it."""
    heard = {alert.identity: alert for alert in told}
    merged = []
    for alert in known:
        same = heard.pop(alert.identity, None) if alert.is_firing else None
        quiet = same.suppressed_by if same else ()
        merged.append(replace(alert, since=same.since, suppressed_by=quiet) if same else alert)
    return tuple(sorted([*merged, *heard.values()], key=lambda alert: alert.rank))


def _from_prometheus() -> list[Alert] | None:
    rules = get_json(f"{PROMETHEUS}/api/v1/rules?type=alert")
    return _readable(lambda: list(from_rules(_list(rules["data"]["groups"]))))


def _from_alertmanager() -> list[Alert] | None:
    rows = get_json(f"{ALERTMANAGER}/api/v2/alerts?active=true&silenced=true&inhibited=true")
    silences = get_json(f"{ALERTMANAGER}/api/v2/silences") if rows else []
    told = _readable(lambda: list(from_alertmanager(_list(rows), silences or [])))
    # A silence that cannot be read is no reason to say that nobody is told.
    return _readable(lambda: list(from_alertmanager(_list(rows), []))) if told is None else told


def read() -> Board:
    """Ask both systems; which of them gave no answer that can be read is said in the result."""
    known, told = _from_prometheus(), _from_alertmanager()
    every = together(known or (), told or ())
    return Board(
        alerts=tuple(alert for alert in every if alert.name != WATCHDOG),
        prometheus=known is not None,
        alertmanager=told is not None,
        watchdog=any(alert.name == WATCHDOG and alert.is_firing for alert in every),
    )
