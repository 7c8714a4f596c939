"""One state of an alert as one OTLP log record."""

import re
import time
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import TraceFlags

from alertmanager.webhook import Alert
from alertmanager.worst import Exemplar
from server.signals.log_values import MAX_LINE, MAX_TEXT, bounded, clean

_RESOURCE = Resource({"service.name": "alertmanager"})
_SEVERITIES = {"critical": SeverityNumber.ERROR, "warning": SeverityNumber.WARN}

_LABELS = ("alertname", "severity")
_NOTES = ("summary", "description", "value", "threshold", "dashboard_url", "runbook_url")
_TAKEN = {
    "event", "status", "starts_at", "ends_at", *_NOTES,
    # What a store calls the record's own fields, its resource's and its scope's.
    "_msg", "_stream", "_stream_id", "_time", "body", "detected_level", "event_name", "flags",
    "level", "observed_timestamp", "scope_name", "scope_version", "service_name",
    "severity_number", "severity_text", "span_id", "trace_id",
}  # fmt: skip
"""Names of attributes that a label must not pass for: it gets a prefix instead."""


def to_record(alert: Alert, worst: Exemplar | None = None) -> ReadableLogRecord:
    """One log record: a readable sentence, and as attributes the labels and annotations.

    With the worst request's exemplar it belongs to that request's trace, as its own lines do.
    """
    said = {name: clean(text) for name, text in _said(alert).items()}
    body = f"{said['status']}: {said['alertname']}: {said.get('summary', '')}".rstrip(": ")
    record = LogRecord(
        timestamp=time.time_ns(),
        severity_text=said["severity"][:MAX_TEXT],
        severity_number=_SEVERITIES.get(said["severity"], SeverityNumber.INFO),
        body=body[:MAX_LINE],
        attributes=bounded({**said, **_others(alert)}),
        **_joined(worst),
    )
    return ReadableLogRecord(log_record=record, resource=_RESOURCE)


def _joined(worst: Exemplar | None) -> dict[str, Any]:
    if worst is None:
        return {}
    return {
        "trace_id": int(worst.trace_id, 16),
        "span_id": int(worst.span_id or "0", 16),
        # What has an exemplar is exported.
        "trace_flags": TraceFlags(TraceFlags.SAMPLED),
    }


def _said(alert: Alert) -> dict[str, str]:
    labels, notes, status = alert["labels"], alert.get("annotations", {}), alert["status"]
    ends = {"ends_at": str(alert.get("endsAt", ""))} if status == "resolved" else {}
    return {
        "event": f"alert_{status}",
        "alertname": labels["alertname"],
        "severity": labels.get("severity", "info"),
        "status": status,
        "starts_at": alert["startsAt"],
        **ends,
        **{name: notes[name] for name in _NOTES if name in notes},
    }


def _others(alert: Alert) -> dict[str, str]:
    labels, notes = alert["labels"], alert.get("annotations", {})
    own = {_free(name): labels[name] for name in labels if name not in _LABELS}
    more = {f"annotation_{name}": notes[name] for name in notes if name not in _NOTES}
    return {name: clean(text) for name, text in {**own, **more}.items()}


def _free(label: str) -> str:
    # Stores take a dot for an underscore, and the prefixes must not be taken for one another.
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", label)
    taken = plain in _TAKEN or plain.startswith(("label_", "annotation_"))
    return f"label_{label}" if taken else label
