"""Holds what a client was told against record, trace and price of the same request."""

import math
from collections.abc import Iterator, Sequence

from clients.evidence import Left
from clients.said import REQUEST_ID, Said
from loadtest.reconcile.joined import count, number, reason
from loadtest.reconcile.price_check import cost_of
from server.pricing.price_list import PriceList
from stack.stores.protocol import LogRecord, Span


def faults(said: Said, left: Left, prices: PriceList) -> list[str]:
    """Everything about one request that is not as it should be, in words."""
    return list(_faults(said, left, prices))


def _faults(said: Said, left: Left, prices: PriceList) -> Iterator[str]:
    if said.fault:
        yield said.fault
    if said.status != said.want.status:
        yield f"the client was told {said.status}, not {said.want.status}"
    if said.refusal and said.want.status < 400:
        yield f"the client raised {said.refusal}"
    expected = 1 if said.want.arrives else 0
    if len(left.records) != expected:
        yield f"{len(left.records)} records, not {expected}"
    elif left.records:
        yield from _of_record(said, left.records[0])
        yield from _of_trace(left.records[0], left.spans, prices)


def _of_record(said: Said, record: LogRecord) -> Iterator[str]:
    fields, want = record.fields, said.want
    ended = (str(fields.get("outcome", "")), reason(record))
    if ended[0] != want.outcome or ended[1] not in want.reasons:
        yield f"recorded as {ended[0]}, {ended[1]}"
    if fields.get("status_code") != want.status:
        yield f"recorded with status {fields.get('status_code')}"
    if fields.get("caller_request_id") != said.caller_id:
        yield "the record has not the client's x-request-id"
    # A gateway may keep the header to itself; what it hands on has to be the same.
    if said.own_id_back and said.own_id_back != said.caller_id:
        yield f"the answer has another {REQUEST_ID} than the client's"
    if said.trace_id and fields.get("trace_id") != said.trace_id:
        yield "the record is of another trace than the answer names"
    yield from _of_usage(said, record)


def _of_usage(said: Said, record: LogRecord) -> Iterator[str]:
    if (said.usage is not None) != said.want.has_usage:
        yield "the client was told no usage" if said.want.has_usage else "usage was told"
    if said.usage is None:
        return
    told = {"input_tokens": said.usage.input, "output_tokens": said.usage.output}
    if said.usage.cached is not None:
        told["cached_input_tokens"] = said.usage.cached
    for name, value in told.items():
        if count(record, name) != value:
            yield f"{name}: the client was told {value}, the record has {count(record, name)}"


def _of_trace(record: LogRecord, spans: Sequence[Span], prices: PriceList) -> Iterator[str]:
    servers = [span for span in spans if span.kind == "server"]
    if len(servers) != 1:
        yield f"{len(servers)} SERVER spans in the trace, not 1"
        return
    (span,) = servers
    if span.span_id != record.fields.get("span_id"):
        yield "the record is of another span than the trace has"
    for name in ("outcome", "reason"):
        if span.attributes.get(f"llm.{name}") != record.fields.get(name):
            yield f"span and record say another {name}"
    worked = count(record, "output_tokens") > 0
    if worked and len(spans) == 1:
        yield "no phase in the trace"
    yield from _of_span_usage(record, span)
    yield from _of_price(record, span, prices)


def _of_span_usage(record: LogRecord, span: Span) -> Iterator[str]:
    # The second where callers count their tokens themselves.
    usage = "gen_ai.usage" if "gen_ai.usage.input_tokens" in span.attributes else "llm.usage"
    for name in ("input_tokens", "output_tokens"):
        if int(number(span.attributes, f"{usage}.{name}") or 0) != count(record, name):
            yield f"span and record say other {name}"


def _of_price(record: LogRecord, span: Span, prices: PriceList) -> Iterator[str]:
    due, said = cost_of(record, span, prices), number(record.fields, "cost_microdollars")
    if due is None and said is None:
        return
    # A double of the server's exact decimal, written as text and read again.
    if due is None or said is None or not math.isclose(due, said, rel_tol=1e-12):
        yield f"the record's cost is {said}, by tokens x price {due}"
