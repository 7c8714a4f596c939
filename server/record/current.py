"""Which request the running task serves, as far as a log line has to know."""

from contextvars import ContextVar
from typing import Protocol


class Identified(Protocol):
    """trace_id and span_id, 32 and 16 hex digits."""

    trace_id: str
    span_id: str


CURRENT: ContextVar[Identified | None] = ContextVar("current_request", default=None)
"""Set by the gateway for the time of a request; to its own side it is a LiveRequest."""
