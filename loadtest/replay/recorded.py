"""What a `request_finished` record says of a request, as far as it can be repeated."""

from collections.abc import Container
from dataclasses import dataclass

from stack.say import visible
from stack.stores.protocol import LogRecord

EVENT = "request_finished"
MOST = 1e15
"""No count and no time of a request is more, nor less than 0: what says so is not believed."""
OPERATIONS = ("chat", "text_completion")
"""Those that generate text: their token counts say what to ask for."""
HUNG_UP = ("aborted", "timeout")
"""Outcomes that ended before the answer did, after a time that is known."""
_MEDIA = ("image_input_tokens", "audio_input_tokens", "video_input_tokens")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request: `started` in Unix seconds, times in seconds, None where none was recorded."""

    started: float
    trace_id: str
    tenant: str
    model: str
    operation: str
    outcome: str
    stream: bool
    input: int
    cached: int
    output: int
    duration: float | None
    ttft: float | None
    tpot: float | None
    parts: int
    media: bool


def read(record: LogRecord) -> Recorded:
    """The request of a record; of a server before this field, its start from its end."""
    fields = record.fields

    def number(name: str) -> float | None:
        found = fields.get(name)
        if not isinstance(found, int | float) or isinstance(found, bool):
            return None
        return float(found) if 0 <= found <= MOST else None

    def tokens(name: str) -> int:
        return round(number(name) or 0)

    duration, reasons = number("duration_seconds"), fields.get("finish_reasons")
    started = number("started_unix_seconds")
    ended = record.time_ns / 1e9
    return Recorded(
        started=ended - (duration or 0.0) if started is None else started,
        trace_id=str(fields.get("trace_id", "")),
        tenant=str(fields.get("tenant", "")),
        model=str(fields.get("model", "")),
        operation=str(fields.get("operation", "")),
        outcome=str(fields.get("outcome", "")),
        stream=fields.get("stream") is True,
        input=tokens("input_tokens"),
        cached=tokens("cached_input_tokens"),
        output=tokens("output_tokens"),
        duration=duration,
        ttft=number("time_to_first_token_seconds"),
        tpot=number("time_per_output_token_seconds"),
        parts=max(tokens("engine_requests"), len(reasons) if isinstance(reasons, list) else 0),
        media=any(tokens(name) for name in _MEDIA),
    )


def why_not(each: Recorded, served: Container[str]) -> str:
    """Why a request cannot be repeated on a server of these models; empty where it can."""
    return _by_kind(each) or _by_end(each) or _by_model(each, served)


def _by_kind(each: Recorded) -> str:
    if each.operation == "other":
        return "it ran no model"
    if each.operation not in OPERATIONS:
        return f"it generated no text: {visible(each.operation)}"
    if each.media:
        return "it had images, audio or video"
    return "it had several prompts or answers (a list, n, beams)" if each.parts > 1 else ""


def _by_end(each: Recorded) -> str:
    if each.outcome == "client_error":
        return "it was refused"
    if each.duration is None:
        return "its server was killed: its length is not known"
    if each.outcome in HUNG_UP:
        return "" if each.input else "it ended before the engine had it: its length is not known"
    if each.outcome != "ok":
        return "it failed on the server: its length is not known"
    return "" if each.input and each.output else "it had no token in, or none out"


def _by_model(each: Recorded, served: Container[str]) -> str:
    return "" if each.model in served else f"it was of {visible(each.model)}, which is not served"
