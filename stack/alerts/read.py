"""Reads the alerts: Prometheus says what fires, Alertmanager who is told of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stack.alerts.alert import WATCHDOG, Alert, moment
from stack.http import get_json
from stack.request.signals import PROMETHEUS

ALERTMANAGER = "http://127.0.0.1:9093"
Row = Mapping[str, Any]


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


def from_rules(groups: Iterable[Row]) -> Iterator[Alert]:
    """The alerts in an answer of Prometheus's /api/v1/rules.

    It says when an alert became true. When it fired is later by the rule's `for`.
    """
    rules = (rule for group in groups for rule in group["rules"] if rule["type"] == "alerting")
    for rule in rules:
        for row in rule["alerts"]:
            is_firing = row["state"] == "firing"
            waited = float(rule.get("duration", 0)) if is_firing else 0.0
            since = moment(row["activeAt"]) + waited
            notes = row.get("annotations", {})
            value = notes.get("value") or str(row.get("value", ""))
            yield Alert(row["labels"], notes, is_firing, since, value)


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
        notes, since = row.get("annotations", {}), moment(row["startsAt"])
        quiet = tuple(dict.fromkeys(_quiet(row, names, reasons)))
        yield Alert(row["labels"], notes, True, since, notes.get("value", ""), quiet)


def together(known: Iterable[Alert], told: Iterable[Alert]) -> tuple[Alert, ...]:
    """What both say of each alert, the worst first; what Alertmanager alone has was sent to it."""
    heard = {alert.identity: alert for alert in told}
    merged = []
    for alert in known:
        same = heard.pop(alert.identity, None) if alert.is_firing else None
        quiet = same.suppressed_by if same else ()
        merged.append(replace(alert, since=same.since, suppressed_by=quiet) if same else alert)
    return tuple(sorted([*merged, *heard.values()], key=lambda alert: alert.rank))


def read() -> Board:
    """Ask both systems; what does not answer is said in the result."""
    rules = get_json(f"{PROMETHEUS}/api/v1/rules?type=alert")
    rows = get_json(f"{ALERTMANAGER}/api/v2/alerts?active=true&silenced=true&inhibited=true")
    silences = get_json(f"{ALERTMANAGER}/api/v2/silences") if rows else []
    known = from_rules(rules["data"]["groups"]) if rules else ()
    every = together(known, from_alertmanager(rows or [], silences or []))
    return Board(
        alerts=tuple(alert for alert in every if alert.name != WATCHDOG),
        prometheus=rules is not None,
        alertmanager=rows is not None,
        watchdog=any(alert.name == WATCHDOG and alert.is_firing for alert in every),
    )
