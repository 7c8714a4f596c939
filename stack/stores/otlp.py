"""Reads OTLP JSON, in which both trace stores hand out a trace: ids in hex or in base64."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from stack.stores.fields import typed
from stack.stores.protocol import Span, Value

_HEX = set("0123456789abcdef")
_LISTS = ("gen_ai.response.finish_reasons",)
"""Attributes that Jaeger's own storage keeps as the JSON text of their list."""
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS = ("unset", "ok", "error")


def spans(trace: Mapping[str, Any]) -> list[Span]:
    """The spans under `resourceSpans` (of Tempo's older answer: `batches`), by start."""
    batches = trace.get("resourceSpans") or trace.get("batches") or []
    found = [span for batch in batches for span in _batch(batch)]
    return sorted(found, key=lambda span: (span.start_ns, -span.end_ns))


def _batch(batch: Mapping[str, Any]) -> Iterator[Span]:
    service = str(attributes(batch.get("resource", {})).get("service.name", ""))
    for scope in batch.get("scopeSpans", []):
        yield from (_span(raw, service) for raw in scope.get("spans", []))


def _span(raw: Mapping[str, Any], service: str) -> Span:
    return Span(
        trace_id=hexadecimal(raw["traceId"], 32),
        span_id=hexadecimal(raw["spanId"], 16),
        parent_id=hexadecimal(raw.get("parentSpanId", ""), 16),
        name=raw["name"],
        kind=_word(raw.get("kind", 0), _KINDS),
        service=service,
        start_ns=int(raw["startTimeUnixNano"]),
        end_ns=int(raw["endTimeUnixNano"]),
        status=_word(raw.get("status", {}).get("code", 0), _STATUS),
        attributes=attributes(raw),
    )


def hexadecimal(text: str, digits: int) -> str:
    """An id in lower-case hex, whichever way it is spelled; empty for none."""
    if not text or (len(text) == digits and set(text) <= _HEX):
        return text
    try:
        return base64.b64decode(text, validate=True).hex()
    except (binascii.Error, ValueError):
        return text


def _word(value: str | int, words: tuple[str, ...]) -> str:
    """An enumeration's value, given by number or as `SPAN_KIND_SERVER`."""
    if isinstance(value, int):
        return words[value] if value < len(words) else str(value)
    return value.rpartition("_")[2].lower()


def attributes(raw: Mapping[str, Any]) -> dict[str, Value]:
    """The attributes of a resource, span or record, typed."""
    pairs = {pair["key"]: pair.get("value", {}) for pair in raw.get("attributes", [])}
    return {key: _listed(key, _value(value)) for key, value in pairs.items()}


def _listed(key: str, value: Value) -> Value:
    is_text = key in _LISTS and isinstance(value, str)
    return typed("finish_reasons", str(value)) if is_text else value


def _value(raw: Mapping[str, Any]) -> Value:
    value: Any
    kind, value = next(iter(raw.items())) if raw else ("stringValue", "")
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [str(_value(one)) for one in value.get("values", [])]
    return value if isinstance(value, str | float | bool | int) else str(value)
