"""What failed inside a request: an exception's class and places, never its text."""

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

from server.record import RequestRecord

MAX_PLACES, MAX_NAME = 8, 64
_ROOTS = (
    sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), str(Path(__file__).parents[1]),
)  # fmt: skip
_WRAPPER = "EngineGenerateError"
"""AsyncLLM.generate raises it from whatever failed, and says nothing by itself."""
_UNNAMED = "exception"

_log = structlog.get_logger("server.failures")


@dataclass(frozen=True, slots=True)
class Failure:
    """Class and code locations, `file:line:function` with the innermost last."""

    error_type: str
    places: tuple[str, ...]


def read(error: BaseException) -> Failure:
    """Class and places of an exception, of its cause where it only wraps one."""
    if type(error).__name__ == _WRAPPER and error.__cause__ is not None:
        error = error.__cause__
    name = type(error).__name__
    named = name.isidentifier() and len(name) <= MAX_NAME
    places = [_place(*step) for step in traceback.walk_tb(error.__traceback__)]
    return Failure(name if named else _UNNAMED, tuple(places[-MAX_PLACES:]))


def _place(frame: FrameType, line: int) -> str:
    code = frame.f_code
    path = code.co_filename
    if path.startswith("<"):
        # Code made at run time, as of a chat template: its names may be a caller's.
        return f"{path[:MAX_NAME]}:{line}"
    for root in _ROOTS:
        path = path.removeprefix(f"{root}/")
    return f"{path}:{line}:{code.co_name}"


def request_failed(record: RequestRecord, failure: Failure) -> None:
    """Log the one line that says where a request failed; no message, no source text."""
    _log.error(
        "request_failed",
        trace_id=record.trace_id,
        span_id=record.span_id,
        tenant=record.tenant,
        model=record.model,
        route=record.route,
        reason=record.reason,
        error_type=failure.error_type,
        places=list(failure.places),
    )
