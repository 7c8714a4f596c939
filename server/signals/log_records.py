"""A log event as an OTLP record: typed attributes for queries, a body for people."""

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from server.signals.log_events import Event
from server.signals.log_values import MAX_LINE, Value, bounded

_SEVERITY = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}
_FINISHED = {
    "reason": "{}",
    "status_code": "{}",
    "operation": "{}",
    "duration_seconds": "{} s",
    "time_to_first_token_seconds": "first token {} s",
    "input_tokens": "{} in",
    "output_tokens": "{} out",
    "cost_microdollars": "{} µ$",
    "gpu_cost_microdollars": "{} µ$ device",
    "tenant": "{}",
}
"""What the sentence about a finished request says after its outcome, in this order."""

Known = Mapping[str, Value]


def to_record(event: Event) -> LogRecord:
    """The OTLP record; trace_id, span_id and the level are fields of OTLP's own."""
    attributes = _attributes(event)
    return LogRecord(
        timestamp=int(event.created * 1e9),
        context=_context(event.ids),
        severity_text=event.level,
        severity_number=_SEVERITY.get(event.level, SeverityNumber.UNSPECIFIED),
        body=_body(event, attributes)[:MAX_LINE],
        attributes=attributes,
    )


def _attributes(event: Event) -> Known:
    head = _head(event)
    # The head's place is the front, where no bound reaches it, and its values win.
    return bounded({**head, **event.fields, **head})


def _head(event: Event) -> dict[str, Value]:
    named = {"event": event.text} if event.is_named else {}
    error = {"exception_type": event.exception_type} if event.exception_type else {}
    return {**named, "logger": event.logger, "process": event.process, **error}


def _context(ids: tuple[str, str] | None) -> Context:
    if ids is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED)
    of = SpanContext(int(ids[0], 16), int(ids[1], 16), is_remote=False, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(of), Context())


def _body(event: Event, attributes: Known) -> str:
    head = _head(event)
    own = {name: value for name, value in attributes.items() if name not in head}
    if not event.is_named:
        said = event.text
    elif event.text == "request_finished":
        said = _finished(own)
    else:
        said = " ".join([event.text, *(f"{name}={_said(own[name])}" for name in own)])
    return f"{said}\n{event.stack}" if event.stack else said


def _finished(known: Known) -> str:
    outcome = f"request_finished {_said(known.get('outcome', ''))}".rstrip()
    parts = [unit.format(_said(known[name])) for name, unit in _FINISHED.items() if name in known]
    return " · ".join([outcome, *parts])


def _said(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value).lower() if isinstance(value, int) else ",".join(map(_said, value))
