"""Logs: one JSON line an event, with trace_id on every line that belongs to a request."""

import logging
import multiprocessing.util
import os
import re
from collections.abc import MutableMapping
from decimal import Decimal
from functools import cache
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from structlog.stdlib import ProcessorFormatter

from server import telemetry
from server.live import CURRENT
from server.record import PHASES, GpuUse, RequestRecord
from server.settings import read_settings

MAX_LINE = 32768
"""Characters of a line that are kept: Loki refuses lines above 256 kB, people read far fewer."""

_IDS_IN_TEXT = re.compile(r"\b([0-9a-f]{32})-([0-9a-f]{16})\b")
_SEVERITY = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}
_OURS = "server."
_OWN_TRANSPORT = ("opentelemetry", "urllib3", "requests")

structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
_requests = structlog.get_logger("server.requests")


def trace_ids(record: logging.LogRecord, text: str) -> tuple[str, str] | None:
    """trace_id and span_id: the event's own, the running request's, or those in a request id.

    `text` is the rendered event: structlog has taken the record's arguments away by then.
    """
    if isinstance(record.msg, dict) and "trace_id" in record.msg:
        return record.msg["trace_id"], record.msg["span_id"]
    live = CURRENT.get()
    if live is not None:
        return live.trace_id, live.span_id
    found = _IDS_IN_TEXT.search(text)
    return (found[1], found[2]) if found else None


def request_id_in(text: str) -> str | None:
    """Our id of the HTTP request (LiveRequest.request_id) that an id of vLLM's was built from."""
    found = _IDS_IN_TEXT.search(text)
    return found[0] if found else None


_FIRST = ("timestamp", "level", "event", "trace_id")


def _order(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # People read the left end of a line.
    first = {name: event[name] for name in _FIRST if name in event}
    return {**first, **event}


def _add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    event["process"] = getattr(record, "vllm_process_name", record.processName)
    ids = trace_ids(record, str(event["event"]))
    if ids is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _hide_callers_text(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    # While a request is served, arguments and exceptions of other people's log calls may quote its
    # prompt: the template and the exception's type stay, the rest goes.
    record: logging.LogRecord = event["_record"]
    if CURRENT.get() is None or record.name.startswith(_OURS):
        return event
    event["event"] = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    error = event.pop("exc_info", None)
    if error and error[1] is not None:
        event["exception_type"] = type(error[1]).__name__
    return event


class JsonFormatter(ProcessorFormatter):
    """Renders structlog's and everybody else's records as the same one-line JSON."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[structlog.stdlib.add_log_level],
            processors=[
                _add_context,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _hide_callers_text,
                structlog.processors.format_exc_info,
                ProcessorFormatter.remove_processors_meta,
                _order,
                structlog.processors.JSONRenderer(),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line, cut at MAX_LINE."""
        return super().format(record)[:MAX_LINE]


class OtlpHandler(logging.Handler):
    """Sends each line to the Collector, trace_id and span_id as OTLP fields."""

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line."""
        if record.name.startswith(_OWN_TRANSPORT):
            return
        provider = provider_of_process(os.getpid())
        if provider is None:
            return
        try:
            provider.get_logger(record.name).emit(_otlp(record, self.format(record)))
        except Exception:
            self.handleError(record)


def _otlp(record: logging.LogRecord, line: str) -> LogRecord:
    ids = trace_ids(record, line)
    context = trace.Context()
    if ids is not None:
        flags = TraceFlags(TraceFlags.SAMPLED)
        of = SpanContext(int(ids[0], 16), int(ids[1], 16), is_remote=False, trace_flags=flags)
        context = trace.set_span_in_context(NonRecordingSpan(of), context)
    return LogRecord(
        timestamp=int(record.created * 1e9),
        context=context,
        severity_text=record.levelname,
        severity_number=_SEVERITY.get(record.levelname, SeverityNumber.UNSPECIFIED),
        body=line,
    )


@cache
def provider_of_process(_pid: int) -> LoggerProvider | None:
    """The log pipeline of this process (vLLM's engine core has its own), None without endpoint."""
    import vllm

    settings = read_settings(os.environ)
    if not settings.otlp_endpoint:
        return None
    provider = LoggerProvider(
        resource=telemetry.resource(settings, vllm.__version__), shutdown_on_exit=False
    )
    exporter = telemetry.log_exporter(settings.otlp_endpoint)
    provider.add_log_record_processor(
        telemetry.CountingLogProcessor(exporter, telemetry.Account("logs"))
    )
    # Runs at the end of a multiprocessing child as well, where atexit does not.
    multiprocessing.util.Finalize(None, provider.shutdown, exitpriority=10)
    return provider


def shutdown() -> None:
    """Send what waits."""
    provider = provider_of_process(os.getpid())
    if provider is not None:
        provider.shutdown()


def gpu_fields(gpu: GpuUse | None) -> dict[str, Any]:
    """Device time of a request: seconds, microdollars, the step model's first and last version."""
    return {
        "gpu_cost_microdollars": gpu.microdollars if gpu else None,
        "gpu_seconds": gpu.nanoseconds / 1e9 if gpu else None,
        "gpu_model_versions": list(gpu.model_versions) if gpu else None,
    }


def request_settled_late(record: RequestRecord, gpu: GpuUse) -> None:
    """Log the device time of a request whose request_finished line had to go without."""
    ids = {"trace_id": record.trace_id, "span_id": record.span_id}
    where = {"tenant": record.tenant, "model": record.model, "outcome": record.outcome.value}
    _requests.info("request_settled_late", **ids, **where, **gpu_fields(gpu))


def request_finished(record: RequestRecord, cost: Decimal | None) -> None:
    """Log the one line that sums up a request; no prompt, no answer."""
    _requests.info("request_finished", **fields(record, cost))


def fields(record: RequestRecord, cost: Decimal | None) -> dict[str, Any]:
    """The line's fields: seconds, tokens, microdollars; null where a thing is not known."""
    usage = record.usage
    phases = {f"{phase.name}_seconds": phase.seconds for phase in record.phases if phase.complete}
    return {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "tenant": record.tenant,
        "model": record.model,
        "operation": record.operation.value,
        "outcome": record.outcome.value,
        "reason": record.reason,
        "status_code": record.status_code,
        "error_type": record.error_type,
        "method": record.method,
        "route": record.route,
        "stream": record.stream,
        "duration_seconds": record.duration_seconds,
        "time_to_first_token_seconds": record.time_to_first_token_seconds,
        "time_per_output_token_seconds": record.time_per_output_token_seconds,
        **{f"{name}_seconds": phases.get(f"{name}_seconds") for name in PHASES},
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_microdollars": None if cost is None else float(cost),
        **gpu_fields(record.gpu),
        "finish_reasons": list(record.finish_reasons),
        "response_id": record.response_id,
    }
