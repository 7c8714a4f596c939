"""A request as its client saw it, beside what a server that works leaves of it."""

from typing import Any

from clients.evidence import Left
from clients.said import ANSWERED, Said, Usage
from server.pricing.price_list import PriceList
from stack.stores.protocol import LogRecord, Span
from tests.unit.helpers import STARTED_NS, entry

TRACE, SPAN, RUN = "4f" * 16, "5e" * 8, "clients-1"
PRICES = PriceList((entry("tiny-llama", "0.1", "0.05", "0.4"),))
COST = 7 * 0.1 + 3 * 0.05 + 5 * 0.4


def said(**more: Any) -> Said:
    made = Said(f"{RUN}-openai-plain-1", ANSWERED)
    made.answered({"X-Trace-Id": TRACE, "x-request-id": made.caller_id})
    made.usage = Usage(10, 5, 3)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def record(**more: Any) -> LogRecord:
    fields: dict[str, Any] = {
        "event": "request_finished", "trace_id": TRACE, "span_id": SPAN, "outcome": "ok",
        "reason": "stop", "status_code": 200, "caller_request_id": f"{RUN}-openai-plain-1",
        "input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 3, "model": "tiny-llama",
        "cost_microdollars": COST, **more,
    }  # fmt: skip
    return LogRecord(STARTED_NS, "", {k: v for k, v in fields.items() if v is not None})


def span(**more: Any) -> Span:
    attributes = {
        "llm.outcome": "ok", "llm.reason": "stop", "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "tiny-llama", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5, **more,
    }  # fmt: skip
    return made_span(SPAN, "", "server", attributes)


def made_span(span_id: str, parent: str, kind: str, attributes: dict[str, Any]) -> Span:
    times = (STARTED_NS, STARTED_NS + 10**9)
    return Span(TRACE, span_id, parent, "chat", kind, "llm-server", *times, "ok", attributes)


PHASE = made_span("6d" * 8, SPAN, "internal", {})


def left(*records: LogRecord, spans: tuple[Span, ...] = ()) -> Left:
    return Left(records or (record(),), spans or (span(), PHASE))
