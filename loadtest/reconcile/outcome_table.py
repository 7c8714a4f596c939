"""Which end at the server goes with which end at the client: the table, and a verdict by it."""

from collections.abc import Mapping
from enum import Enum

from loadtest.rows import IN_STREAM, Row
from stack.stores.protocol import LogRecord

UNSEEN = "unseen"
"""The server has no record of it."""
_GONE = {"killed", "engine_dead", UNSEEN}
_TOLD, _PATIENCE = "timeout told", "patience ran out"


class Verdict(Enum):
    """How the two ends go together."""

    AGREE = "agree"
    RACE = "race"
    RESTART = "restart"
    WRONG = "wrong"


AGREE: Mapping[str, set[str]] = {
    "ok": {"ok"},
    "client_error": {"client_error"},
    "server_error": {"server_error", "engine_dead"},
    # The head had said 200 before the error was known, whoever's it was: only the event tells.
    IN_STREAM: {"server_error", "engine_dead", "timeout", "client_error"},
    _TOLD: {"timeout"},
    # A client that gives up hangs up, and that is what the server sees of it.
    _PATIENCE: {"aborted", "timeout"},
    "aborted": {"aborted"},
}
"""Client's end -> the server's ends that say the same."""
RACE_NS = 2_000_000_000
"""How far apart the two ends of a race are at most: beyond it one side saw nothing for long."""
RACE: Mapping[str, set[str]] = {
    # The answer was whole, in the server's eyes, before the hang-up arrived.
    "aborted": {"ok"},
    _PATIENCE: {"ok"},
    # At the deadline the server cuts off who does not read its last words within a second.
    "cut_off": {"timeout"},
}
"""Two ends that are both true, because each side looked at its own moment."""
RACE_UNHEARD: Mapping[str, set[str]] = {"aborted": {UNSEEN}, _PATIENCE: {UNSEEN}}
"""Where no byte of an answer came, the hang-up may have been faster than the request."""
RESTART: Mapping[str, set[str]] = {
    "cut_off": _GONE,
    "unreachable": _GONE,
    "aborted": {"killed", "engine_dead"},
    _PATIENCE: {"killed", "engine_dead"},
    # The answer was whole, and the process died before it had made the record.
    "ok": {"killed"},
}
"""What only a server that started anew during the run explains."""
_ANSWERED = ("ok", "client_error", "server_error", "aborted")
DYING: Mapping[str, set[str]] = {end: {UNSEEN} for end in _ANSWERED}
"""What a process takes with it: the record of a request that had ended a moment before."""


def client_end(row: Row) -> str:
    """The client's outcome, told apart by its status where one word means two things."""
    if row.ended_as == IN_STREAM:
        return IN_STREAM
    if row.outcome == "timeout":
        return _TOLD if row.status == 504 else _PATIENCE
    is_late = row.outcome == "server_error" and row.status is not None and row.status < 400
    return IN_STREAM if is_late else row.outcome


def server_end(record: LogRecord | None) -> str:
    """The server's outcome; of one that a death ended, its reason."""
    if record is None:
        return UNSEEN
    why = str(record.fields.get("reason", ""))
    return why if why in _GONE else str(record.fields.get("outcome", ""))


def _is_close(row: Row, record: LogRecord | None) -> bool:
    return record is not None and abs(record.time_ns - row.request_end_ns) <= RACE_NS


def judge(row: Row, record: LogRecord | None, restarted: bool, dying: bool = False) -> Verdict:
    """How the two ends of one request go together."""
    client, server = client_end(row), server_end(record)
    if server in AGREE.get(client, ()):
        return Verdict.AGREE
    is_unheard = row.status is None and row.request_ack_ns is None
    is_race = server in RACE.get(client, ()) and _is_close(row, record)
    if is_race or (is_unheard and server in RACE_UNHEARD.get(client, ())):
        return Verdict.RACE
    if restarted and server in RESTART.get(client, ()):
        return Verdict.RESTART
    if dying and server in DYING.get(client, ()):
        return Verdict.RESTART
    return Verdict.WRONG
