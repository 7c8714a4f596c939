"""Tells a caller what its request cost, if it asks: in headers, or in a stream's usage event."""

import json
from collections.abc import Mapping
from decimal import Decimal

from server.record.request import RequestRecord
from server.settings import Tell

ASK_HEADER = "x-llm-cost"
ASK_VALUE = "include"
"""A request that carries the header with this value is told."""
_NAMED = (b"event: response.completed\n", b"event: message_delta\n")
"""How that event begins on /v1/responses and /v1/messages."""
AMOUNTS = ("cost_microdollars", "gpu_cost_microdollars")
"""By the price list, and by device time."""


def _header(name: str) -> str:
    return f"x-llm-{name.replace('_', '-')}"


HEADERS = tuple(map(_header, AMOUNTS))
"""The response headers that tell the amounts."""


def asked(headers: Mapping[str, str], tell: Tell) -> bool:
    """True when the caller wants to know, and may."""
    return tell is not Tell.OFF and headers.get(ASK_HEADER, "").strip().lower() == ASK_VALUE


def amounts(record: RequestRecord, cost: Decimal | None, tell: Tell) -> dict[str, float]:
    """Microdollars by name; what is not known, or not the caller's, is left out, never 0."""
    by_list = None if cost is None else float(cost)
    by_device = record.gpu.microdollars if record.gpu and tell is Tell.ALL else None
    known = zip(AMOUNTS, (by_list, by_device), strict=True)
    return {name: value for name, value in known if value is not None}


def as_headers(told: Mapping[str, float]) -> dict[str, str]:
    """Response headers such as x-llm-cost-microdollars."""
    return {_header(name): repr(value) for name, value in told.items()}


def is_usage_event(body: bytes) -> bool:
    """True for the event that tells a stream's usage at its end.

    Of chats and completions it comes where the caller asks (stream_options.include_usage).
    """
    if body.startswith(_NAMED):
        return True
    return body.startswith(b"data: {") and b'"choices":[]' in body and b'"usage":{' in body


def into_usage_event(body: bytes, told: Mapping[str, float]) -> bytes:
    """The event with the amounts among its usage; unchanged where it is not as expected."""
    # The first is the event's own: no line of a caller's text stands before it.
    name, mark, data = body.partition(b"data: ")
    try:
        event = json.loads(data)
        event.get("response", event)["usage"].update(told)
    except (ValueError, KeyError, AttributeError, TypeError):
        return body
    return name + mark + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
