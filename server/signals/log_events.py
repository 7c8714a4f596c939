"""What may leave of a log record: the one place where a caller's text is taken out."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from server.record.current import CURRENT
from server.signals import code_places, serving
from server.signals.log_values import Value, clean, legal

IDS_IN_TEXT = re.compile(r"(?<![^\W_])([0-9a-f]{32})-([0-9a-f]{16})(?![^\W_])")
"""trace_id and span_id as an id of a request holds them (LiveRequest.request_id)."""

_OURS = "server."
_KEPT = "_llm_observability_event"
_CONTEXT = {
    "event", "exc_info", "level", "logger", "process", "span_id", "stack", "timestamp", "trace_id",
}  # fmt: skip
"""Names that a line has of its record, whatever an event's fields say."""


@dataclass(frozen=True, slots=True)
class Event:
    """A log record as it may leave, on the console and over OTLP alike.

    `text` is the name of an event of ours, and `fields` are its own; of anybody else's line `text`
    is all there is. `ids` are trace_id and span_id; `stack` is an exception's, the call's, or an
    event's own.
    """

    text: str
    is_named: bool
    created: float
    level: str
    logger: str
    process: str
    ids: tuple[str, str] | None
    fields: Mapping[str, Value | None]
    exception_type: str | None
    stack: str | None


def read_event(record: logging.LogRecord) -> Event:
    """Everything of a record that may leave; its `extra` never does, nobody has vouched for it.

    Once a caller was heard, of others' lines the template stays, of any exception the places.
    Read once, for the console and for OTLP: the record keeps it.
    """
    begun, kept = serving.has_begun(), record.__dict__.get(_KEPT)
    if not isinstance(kept, _Kept) or not kept.is_of(record, begun):
        event = _read(record, begun)
        kept = record.__dict__[_KEPT] = _Kept(begun, record.msg, record.args, event)
    return kept.event


class _Kept(NamedTuple):
    """An event, and what it was read from: others may put another text into a record."""

    begun: bool
    msg: object
    args: object
    event: Event

    def is_of(self, record: logging.LogRecord, begun: bool) -> bool:
        return self.begun is begun and self.msg is record.msg and self.args is record.args


def _read(record: logging.LogRecord, begun: bool) -> Event:
    hidden = begun and not record.name.startswith(_OURS)
    said = _said(record)
    whole = str(said.get("event", "")) if said else _whole(record)
    error = _error(said.get("exc_info") or record.exc_info)
    return Event(
        text=clean(code_places.template(record) if hidden or whole is None else whole),
        is_named=bool(said),
        created=record.created,
        level=record.levelname,
        logger=clean(code_places.logger(record) if hidden else record.name),
        process=clean(str(getattr(record, "vllm_process_name", record.processName))),
        ids=_ids(said, whole or ""),
        fields={str(n): legal(value) for n, value in said.items() if n not in _CONTEXT},
        exception_type=None if error is None else code_places.class_name(error),
        stack=_own_stack(said) or (_places(error) if begun else _stack(error, record.stack_info)),
    )


def _said(record: logging.LogRecord) -> Mapping[str, Any]:
    named = isinstance(record.msg, dict) and record.name.startswith(_OURS)
    return cast(Mapping[str, Any], record.msg) if named else {}


def _whole(record: logging.LogRecord) -> str | None:
    # None where text and arguments do not fit: logging itself would print both to stderr.
    with suppress(Exception):
        return record.getMessage()
    return None


def _error(given: object) -> BaseException | None:
    # What logging and structlog take for exc_info: an exception, its triple, or "the current one".
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return cast(BaseException | None, given[1])
    return sys.exc_info()[1] if given else None


def _own_stack(said: Mapping[str, Any]) -> str | None:
    # An event of ours that tells places in code.
    return clean(str(said["stack"])) if said.get("stack") else None


def _stack(error: BaseException | None, asked_for: str | None) -> str | None:
    text = asked_for if error is None else "".join(traceback.format_exception(error))
    return clean(text.rstrip("\n")) if text else None


def _places(error: BaseException | None) -> str | None:
    return None if error is None else clean(code_places.of_error(error))


def _ids(said: Mapping[str, Any], text: str) -> tuple[str, str] | None:
    # The event's own, the running request's, or those in a request id that the text names.
    own = IDS_IN_TEXT.fullmatch(f"{said.get('trace_id')}-{said.get('span_id')}")
    live = CURRENT.get()
    if own is None and live is not None:
        return live.trace_id, live.span_id
    found = own or IDS_IN_TEXT.search(text)
    return (found[1], found[2]) if found else None
