"""The page of the alerts that came last, those that are over among them: why each one fired.

A board shows what fires and no annotation: what is over, and the value that an alert was sent with,
stand here. Every text is an alert's own and may be anything.
"""

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from urllib.parse import urlencode

from alertmanager.frame import page
from alertmanager.links import MAX_MODEL
from alertmanager.markdown import slug
from alertmanager.newest import State

SHOWN = 50
LOGGED = "/alerts/logged"
"""Where the records of alerts open: this page begins anew with alertlog."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_TAKEN = ("alertname", "severity")


def show(states: Sequence[State], since: str) -> str:
    """The page of the states, the newest of them first; `since` is when the first could come."""
    shown = _shown(states)
    body = "".join(_alert(state, at) for at, state in shown.items())
    more = f"<p>And {len(states) - len(shown)} older ones.</p>\n" if len(states) > SHOWN else ""
    none = "<p>No alert has arrived.</p>\n" if not states else ""
    before = (
        f"<p>All since {escape(_readable(since))}, when alertlog started. What came earlier is "
        f'<a href="{LOGGED}">in the logs</a>; <code>make alerts</code> tells what fires now, also '
        "of one that ended while it was silenced, whose end nobody was told.</p>\n"
    )
    return page("Newest alerts", f"<h1>Newest alerts</h1>\n{none}{body}{more}{before}")


def place(states: Sequence[State], name: str, labels: Mapping[str, str]) -> str | None:
    """The id of an alert by its name and labels, of one that fires before one that is over.

    None where the page has none. A label that the alert does not have is not compared: for a column
    that a table does not show, Grafana sends the name of the variable.
    """
    wanted = {"alertname": name, **labels}
    found = {
        at: state["status"]
        for at, state in _shown(states).items()
        if all(str(state["labels"].get(key, text)) == text for key, text in wanted.items())
    }
    return next((at for at, status in found.items() if status == "firing"), next(iter(found), None))


def _shown(states: Sequence[State]) -> dict[str, State]:
    """The newest states, and every one that fires however old, each by an id of its own."""
    found: dict[str, State] = {}
    again: Counter[str] = Counter()
    for number, state in enumerate(states):
        if number < SHOWN or state["status"] == "firing":
            at = slug(str(state["labels"].get("alertname", ""))) or "alert"
            found[f"{at}-{again[at]}" if again[at] else at] = state
            again[at] += 1
    return found


def _alert(state: State, at: str) -> str:
    notes = state["annotations"]
    name = escape(str(state["labels"].get("alertname", "")))
    heading = f'<h2 id="{escape(at)}">{name}</h2>'
    told = [str(notes[key]) for key in ("summary", "description") if notes.get(key)]
    said = "".join(f"<p>{escape(text)}</p>\n" for text in told)
    links = f"<p>{' · '.join(_links(state))}</p>\n"
    return f"{heading}\n{_head(state)}{said}{_value(notes)}{links}"


def _head(state: State) -> str:
    """Its severity, since when, and what tells it from others of its name."""
    labels, began = state["labels"], _readable(state["starts_at"])
    ended = f"over: {began} to {_readable(state['ends_at'])}"
    when = f"fires since {began}" if state["status"] == "firing" else ended
    others = ", ".join(f"{key}={text}" for key, text in labels.items() if key not in _TAKEN)
    severity = escape(str(labels.get("severity", "")))
    return f"<p><strong>{severity}</strong> {escape(when)}<br>{escape(others)}</p>\n"


def _value(notes: State) -> str:
    if not notes.get("value"):
        return ""
    limit = f", threshold {escape(str(notes['threshold']))}" if notes.get("threshold") else ""
    return f"<p>Value <strong>{escape(str(notes['value']))}</strong>{limit}</p>\n"


def _links(state: State) -> Iterator[str]:
    notes, at = state["annotations"], _seconds(state["starts_at"])
    if runbook := str(notes.get("runbook_url", "")):
        yield _link(runbook, "Runbook")
    if at is not None and notes.get("exemplars"):
        asked = urlencode({"selector": str(notes["exemplars"]), "at": at})
        yield _link(f"/trace?{asked}", "Trace of the worst request")
    if at is not None:
        model = str(state["labels"].get("model", ""))
        named = {"model": model} if 0 < len(model) <= MAX_MODEL and model.isprintable() else {}
        yield _link(f"/logs?{urlencode({'at': at, **named})}", "Log lines around its start")
    if board := str(notes.get("dashboard_url", "")):
        yield _link(board, "Board")


def _link(url: str, text: str) -> str:
    # An annotation may hold any scheme; what is no page of the web stays text.
    if not re.match(r"https?://|/\w", url):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'


def _seconds(text: str) -> int | None:
    found = _MOMENT.fullmatch(text)
    if not found:
        return None
    try:
        return int(datetime.datetime.fromisoformat(f"{found[1]}+00:00").timestamp())
    except ValueError:
        return None


def _readable(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    return f"{found[1].replace('T', ' ')} UTC" if found else text
