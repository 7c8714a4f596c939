"""Logs: an event is one JSON line on the console and one OTLP record with typed attributes."""

import datetime
import json
import logging
import multiprocessing.util
import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import structlog
from opentelemetry.sdk._logs import LoggerProvider
from structlog.stdlib import ProcessorFormatter

from server.record.request import PHASES, GpuUse, RequestRecord
from server.settings import read_settings
from server.signals import otlp
from server.signals.failures import Failure
from server.signals.log_events import IDS_IN_TEXT, Event, read_event
from server.signals.log_records import to_record
from server.signals.log_values import MAX_LINE, MAX_TEXT, Value, bounded, fit

CHILD_SECONDS = 3.0
"""How long an ending child may wait for the Collector: the API process waits for its end."""
_DOUBLES = ("_seconds", "_microdollars")
_FIRST = ("timestamp", "level")
_LONG = ("event", "exception", "stack")
_OWN_TRANSPORT = ("opentelemetry", "urllib3", "requests")

structlog.configure(
    processors=[ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
_lines = logging.getLogger("server.requests")


def request_id_in(text: str) -> str | None:
    """Our id of the HTTP request (LiveRequest.request_id) that an id of vLLM's was built from."""
    found = IDS_IN_TEXT.search(text)
    return found[0] if found else None


class JsonFormatter(logging.Formatter):
    """Renders structlog's and everybody else's records as the same one-line JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line of at most MAX_LINE characters; what is cut is its text, not the JSON."""
        fields = _console(read_event(record))
        line = json.dumps(fields)
        return line if len(line) <= MAX_LINE else json.dumps(_shortened(fields))


def _console(event: Event) -> dict[str, Value | None]:
    moment = datetime.datetime.fromtimestamp(event.created, datetime.UTC)
    ids = dict(zip(("trace_id", "span_id"), event.ids or (), strict=False))
    told = "stack" if event.is_named and event.exception_type is None else "exception"
    error = {"exception_type": event.exception_type, told: event.stack}
    return {
        "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": event.level.lower(),
        # People read the left end of a line.
        "event": event.text,
        **ids,
        **event.fields,
        "logger": event.logger,
        "process": event.process,
        **{name: text for name, text in error.items() if text is not None},
    }


def _shortened(fields: Mapping[str, Value | None]) -> dict[str, Value]:
    long = {name: str(fields[name]) for name in _LONG if fields.get(name) is not None}
    rest = bounded({n: v for n, v in fields.items() if n not in long}, MAX_LINE // 2)
    room = MAX_LINE - len(json.dumps({**rest, **dict.fromkeys(long, "")}))
    for left, name in enumerate(long):
        # An event leaves half of the room to the exception after it; the quotes are counted.
        long[name] = fit(long[name], room // (len(long) - left) + 2)
        room -= len(json.dumps(long[name])) - 2
    first = {name: rest.pop(name) for name in _FIRST if name in rest}
    return {**first, **long, **rest}


class OtlpHandler(logging.Handler):
    """Sends each record to the Collector."""

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record."""
        if record.name.startswith(_OWN_TRANSPORT):
            return
        provider = provider_of_process(os.getpid())
        if provider is None:
            return
        try:
            event = read_event(record)
            provider.get_logger(event.logger[:MAX_TEXT]).emit(to_record(event))
        except Exception:
            self.handleError(record)


@cache
def provider_of_process(pid: int) -> LoggerProvider | None:
    """The log pipeline of this process (vLLM's engine core has its own), None without endpoint."""
    import vllm

    way = way_out(pid)
    if way is None:
        return None
    resource = otlp.resource(read_settings(os.environ), vllm.__version__)
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(way)
    return provider


@cache
def way_out(_pid: int) -> otlp.CountingLogProcessor | None:
    """What sends the records of this process, None without endpoint."""
    endpoint = read_settings(os.environ).otlp_endpoint
    if not endpoint:
        return None
    counts = otlp.ItemCounts("logs")
    way = otlp.CountingLogProcessor(otlp.log_exporter(endpoint), counts)
    # Runs at the end of a multiprocessing child as well, where atexit does not.
    multiprocessing.util.Finalize(None, otlp.end, args=([way], CHILD_SECONDS), exitpriority=10)
    return way


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
    said = _doubles({**ids, **where, **gpu_fields(gpu)})
    _log(logging.INFO, "request_settled_late", said, None)


def request_failed(record: RequestRecord, failure: Failure, at: float | None = None) -> None:
    """Log the one line that says where a request failed at a time; no message, no source text.

    `at` is Unix seconds, None for now.
    """
    said = {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "tenant": record.tenant,
        "model": record.model,
        "route": record.route,
        "reason": record.reason,
        "error_type": failure.error_type,
        "places": list(failure.places),
    }
    _log(logging.ERROR, "request_failed", said, at)


def _doubles(fields: dict[str, Any]) -> dict[str, Any]:
    # OTLP goes by the type in Python, and a field must not change its type when it is whole.
    whole = [name for name in fields if name.endswith(_DOUBLES) and fields[name] is not None]
    return {**fields, **{name: float(fields[name]) for name in whole}}


def request_finished(record: RequestRecord, cost: Decimal | None, at: float | None = None) -> None:
    """Log the one line that sums up a request that ended at a time; no prompt, no answer.

    `at` is Unix seconds, None for now.
    """
    _log(logging.INFO, "request_finished", _doubles(fields(record, cost)), at)


def _log(level: int, event: str, said: Mapping[str, Any], at: float | None) -> None:
    # Structlog's own way looks for the caller's frame, and cannot be told when a thing happened.
    if not _lines.isEnabledFor(level):
        return
    named: Any = {"event": event, **said}
    line = _lines.makeRecord(_lines.name, level, "", 0, named, (), None)
    line.created = line.created if at is None else at
    _lines.handle(line)


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
        "engine_requests": record.engine_requests,
        "started_unix_seconds": record.started_ns / 1e9,
        "duration_seconds": record.duration_seconds,
        "time_to_first_token_seconds": record.time_to_first_token_seconds,
        "time_per_output_token_seconds": record.time_per_output_token_seconds,
        **{f"{name}_seconds": phases.get(f"{name}_seconds") for name in PHASES},
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_output_tokens": record.parts.reasoning,
        "image_input_tokens": record.parts.image,
        "audio_input_tokens": record.parts.audio,
        "video_input_tokens": record.parts.video,
        "cost_microdollars": cost,
        **gpu_fields(record.gpu),
        "finish_reasons": list(record.finish_reasons),
        "response_id": record.response_id,
        "caller_request_id": record.caller_request_id,
    }
