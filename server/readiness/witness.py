"""A stall written down: one event when it begins, with stacks and traces, one when it ends."""

from collections.abc import Iterable, Sequence

import structlog

from server.signals import stacks
from server.signals.logs import request_id_in
from server.signals.stacks import Seen

_log = structlog.get_logger("server.readiness")
MOST_TRACES = 300
"""Traces that are named in the body; the attribute holds as many as an attribute may."""
_TRACE_CHARACTERS = 32


def look() -> list[Seen]:
    """The engine's processes first, this one last: what is cut is at the end."""
    return [*stacks.below(), stacks.own()]


def traces(engine_ids: Iterable[str]) -> list[str]:
    """The trace_ids of the HTTP requests that the engine's requests belong to, oldest first."""
    ids = (request_id_in(each) for each in engine_ids)
    return list(dict.fromkeys(each[:_TRACE_CHARACTERS] for each in ids if each))


def engine_stalled(silent: float, engine_ids: Sequence[str], seen: Sequence[Seen]) -> None:
    """Log the one line of a stall: seconds of silence, who waits, and where everybody stands."""
    named = traces(engine_ids)
    mute = [f"{each.name} (pid {each.pid}): {each.state}" for each in seen if each.is_silent]
    told = [stacks.as_text(each) for each in seen]
    if named:
        told.insert(0, f"traces in the engine: {' '.join(named[:MOST_TRACES])}")
    _log.error(
        "engine_stalled",
        silent_seconds=round(float(silent), 1),
        engine_requests=len(engine_ids),
        traces=len(named),
        trace_ids=named,
        silent_processes=mute,
        stack="\n".join(told),
    )


def engine_recovered(lasted: float) -> None:
    """Log that the engine answers again, after so many seconds of silence."""
    _log.warning("engine_recovered", silent_seconds=round(float(lasted), 1))
