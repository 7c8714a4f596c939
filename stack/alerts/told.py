"""How alerts are worded: a line for `make status`, a block for `make alerts`, JSON for scripts."""

import datetime
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stack.alerts.alert import WATCHDOG, Alert
from stack.alerts.read import Board
from stack.request.signals import Exemplar
from stack.say import lasting, paint

WIDTH = 96
_COLOURS = {"critical": "red", "warning": "yellow"}


@dataclass(frozen=True)
class Case:
    """An alert with what was found out about it: first step, worst request and where to open it."""

    alert: Alert
    look: list[str]
    exemplar: Exemplar | None = None
    trace_url: str = ""


def gaps(board: Board) -> Iterator[str]:
    """Why what is shown may not be all, a line each."""
    for name, answers in (("prometheus", board.prometheus), ("alertmanager", board.alertmanager)):
        if not answers:
            yield f"{name.capitalize()} does not answer: see `make logs PART={name}`"
    if board.prometheus and not board.watchdog:
        yield f"{WATCHDOG} does not fire, so silence means nothing: are the rules evaluated?"


def runbook_of(alert: Alert) -> str:
    """Where its runbook is, empty when the rule does not say."""
    return alert.notes.get("runbook_url", "")


def _clean(text: str) -> str:
    """Nothing but visible characters: a label's value may come from a caller."""
    return "".join(letter if letter.isprintable() else "·" for letter in " ".join(text.split()))


def sentence(alert: Alert, now: float) -> str:
    """One alert as a sentence: severity, name, how long, summary."""
    text = f"  {alert.severity:<8} {alert.name} for {lasting(now - alert.since)}: "
    text += _clean(alert.notes.get("summary", "no summary"))
    if alert.suppressed_by:
        text += f"  [suppressed by {', '.join(alert.suppressed_by)}]"
    runbook = runbook_of(alert)
    return f"{text}  ({runbook})" if runbook else text


def _utc(unix_seconds: float) -> str:
    at = datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _labels(alert: Alert) -> str:
    return _clean(", ".join(f"{key}={value}" for key, value in alert.chosen.items()))


def _measured(alert: Alert) -> str:
    limit = alert.notes.get("threshold", "")
    return f"{alert.value} against {limit}" if limit else alert.value


def _rows(case: Case) -> Iterator[tuple[str, str]]:
    alert, seen = case.alert, case.exemplar
    yield "since", _utc(alert.since)
    yield "value", _measured(alert)
    yield "quiet by", ", ".join(alert.suppressed_by)
    if seen:
        yield "worst", f"{seen.value:g} at {_utc(seen.at)}, trace {seen.trace_id}"
    yield "trace", case.trace_url
    for number, text in enumerate(case.look):
        yield "" if number else "look", text
    yield "board", alert.notes.get("dashboard_url", "")
    yield "runbook", runbook_of(alert)


def block(case: Case, now: float) -> list[str]:
    """The lines of one firing alert."""
    alert = case.alert
    colour = "dim" if alert.suppressed_by else _COLOURS.get(alert.severity, "bold")
    head = f"{paint(f'{alert.severity:<8}', colour)} {paint(alert.name, 'bold')}"
    lasted = paint(f"for {lasting(now - alert.since)}", "dim")
    lines = [f"  {head}  {_labels(alert)}  {lasted}"]
    lines += [f"    {row}" for row in textwrap.wrap(_clean(alert.notes.get("summary", "")), WIDTH)]
    # A link or a query that is folded could not be copied, so nothing below is.
    lines += [f"    {name:<9}{_clean(text)}" for name, text in _rows(case) if text]
    return lines


def pending(alert: Alert, now: float) -> str:
    """One line for an alert that is true, but not for long enough."""
    about = f"{alert.severity:<8} {alert.name}  {_labels(alert)}"
    return paint(f"  {about}  for {lasting(now - alert.since)}, {_measured(alert)}", "dim")


def _trace(seen: Exemplar, url: str) -> dict[str, Any]:
    return {"id": seen.trace_id, "value": seen.value, "at": _utc(seen.at), "url": url}


def document(case: Case, now: float) -> dict[str, Any]:
    """One alert as JSON, its keys as docs/alerts.md names them."""
    alert, seen = case.alert, case.exemplar
    return {
        "name": alert.name,
        "severity": alert.severity,
        "team": alert.labels.get("team", ""),
        "state": "firing" if alert.is_firing else "pending",
        "suppressed_by": list(alert.suppressed_by),
        "labels": dict(alert.labels),
        "since": _utc(alert.since),
        "seconds": round(max(0.0, now - alert.since)),
        "value": alert.value,
        "threshold": alert.notes.get("threshold", ""),
        "summary": alert.notes.get("summary", ""),
        "description": alert.notes.get("description", ""),
        "trace": _trace(seen, case.trace_url) if seen else None,
        "first_look": "\n".join(case.look),
        "dashboard_url": alert.notes.get("dashboard_url", ""),
        "runbook_url": runbook_of(alert),
    }
