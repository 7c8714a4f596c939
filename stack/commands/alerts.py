"""`make alerts`: what fires, since when, by how much, the worst trace and the first step."""

import json
import time
from typing import Any

from stack.alerts import told
from stack.alerts.alert import Alert
from stack.alerts.read import Board, read
from stack.alerts.runbook import first_look
from stack.alerts.told import Case
from stack.alerts.worst import worst
from stack.errors import Fault
from stack.request import links
from stack.say import complain, is_terminal, say, title
from stack.settings import Settings
from stack.stores.running import stores

WATCH_SECONDS = 5.0
CRITICAL = 3
_CLEAR = "\x1b[H\x1b[2J"


def _case(settings: Settings, alert: Alert) -> Case:
    look = first_look(settings.repo, told.runbook_of(alert))
    seen = worst(alert)
    if seen is None:
        return Case(alert, look)
    return Case(alert, look, seen, links.trace(stores(settings), seen.trace_id, seen.at))


def _board() -> Board:
    board = read()
    if not board.prometheus:
        gone = "Prometheus does not answer on port 9090, so nobody knows what fires"
        raise Fault(gone, "`make status`, then `make logs PART=prometheus`")
    return board


def document(settings: Settings, board: Board, now: float) -> dict[str, Any]:
    """The whole answer as JSON, its keys as docs/alerts.md names them."""
    return {
        "at": round(now, 3),
        "alertmanager": board.alertmanager,
        "watchdog": board.watchdog,
        "firing": [told.document(_case(settings, one), now) for one in board.firing],
        "pending": [told.document(_case(settings, one), now) for one in board.pending],
    }


def _show(settings: Settings, board: Board, now: float) -> None:
    blocks = [told.block(_case(settings, one), now) for one in board.firing]
    title(f"Alerts  {len(blocks)} firing, {len(board.pending)} pending")
    for gone in told.gaps(board):
        say(f"  {gone}")
    for lines in blocks:
        say()
        for line in lines:
            say(line)
    if board.pending:
        title("Pending")
    for alert in board.pending:
        say(told.pending(alert, now))


def _once(settings: Settings, clear: bool) -> int:
    as_json = settings.values.get("FORMAT", "") == "json"
    board, now = _board(), time.time()
    if as_json:
        indent = None if clear else 2
        # In ASCII: a terminal obeys some characters that JSON leaves as they are.
        say(json.dumps(document(settings, board, now), indent=indent))
    else:
        if clear and is_terminal():
            say(_CLEAR)
        _show(settings, board, now)
    return 0 if board.is_calm else CRITICAL


def alerts(settings: Settings) -> int:
    """Show what fires; 0 when nothing critical does and it would be heard, else 3; raises Fault."""
    wanted = settings.values.get("FORMAT", "")
    if wanted not in ("", "text", "json"):
        raise Fault(f"FORMAT={wanted} is unknown", "use FORMAT=json or FORMAT=text")
    if settings.values.get("WATCH", "") in ("", "0"):
        return _once(settings, clear=False)
    while True:
        try:
            _once(settings, clear=True)
        except Fault as fault:
            # Whoever watches wants to see it come back.
            complain(str(fault))
        time.sleep(WATCH_SECONDS)
