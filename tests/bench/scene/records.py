"""What the server would have recorded of each request that the engine served."""

from collections.abc import Iterator
from random import Random

from server.record.request import GpuUse, Operation, Outcome, Phase, RequestRecord, Usage
from server.signals.labels import OTHER
from tests.bench.day_requests import MICRODOLLARS_PER_HOUR, MODELS
from tests.bench.scene.engine import Engine, Served

MODEL = MODELS[0]
"""One process serves one model."""
_TOKENIZE_SECONDS, _DELIVER_SECONDS = 0.002, 0.001


def records(engine: Engine) -> Iterator[tuple[Served, RequestRecord]]:
    """Each request with its record, by its end."""
    dice = Random(f"{engine.seed} records")
    for served in engine.served:
        yield served, record(dice, served)


def record(dice: Random, served: Served) -> RequestRecord:
    """The record of one request; its ids come from the dice."""
    ask, ok = served.ask, served.outcome is Outcome.OK
    trace_id, span_id = f"{dice.getrandbits(128) | 1:032x}", f"{dice.getrandbits(64) | 1:016x}"
    phases, usage = _phases(served), _usage(served)
    first = None if served.first is None else served.first - ask.at
    gaps = usage.output_tokens - 1
    pace = None if first is None or gaps < 1 else (served.ended - ask.at - first) / gaps
    refused = served.outcome is Outcome.CLIENT_ERROR
    return RequestRecord(
        trace_id=trace_id,
        span_id=span_id,
        tenant=OTHER if served.reason == "auth" else ask.tenant,
        model=OTHER if served.reason == "unknown_model" else MODEL,
        operation=Operation.CHAT if ask.chat else Operation.TEXT_COMPLETION,
        outcome=served.outcome,
        reason=served.reason,
        method="POST",
        route="/v1/chat/completions" if ask.chat else "/v1/completions",
        status_code=200 if ask.stream and first is not None else served.status,
        stream=ask.stream,
        started_ns=int(ask.at * 1e9),
        duration_seconds=served.ended - ask.at,
        time_to_first_token_seconds=first,
        time_per_output_token_seconds=pace,
        phases=phases,
        usage=usage,
        finish_reasons=(served.reason,) if ok else (),
        response_id=None if refused else f"cmpl-{trace_id}-{span_id}",
        error_type=None if ok else served.reason,
        gpu=_gpu(served, usage),
    )


def _phases(served: Served) -> tuple[Phase, ...]:
    """What tiles the request; the engine says of an end before the first token only that it was."""
    if served.outcome is Outcome.CLIENT_ERROR or served.reason == "overloaded":
        return ()
    start, end = served.ask.at, served.ended - served.ask.at
    tokenize = Phase("tokenize", 0.0, min(_TOKENIZE_SECONDS, end))
    if served.admitted is None or served.first is None:
        return tokenize, Phase("queue", tokenize.end, end, complete=False)
    begun = max(served.admitted - start, tokenize.end)
    first = max(served.first - start, begun)
    last = max(end - _DELIVER_SECONDS, first)
    marks = (("queue", tokenize.end, begun), ("prefill", begun, first), ("decode", first, last))
    return (tokenize, *(Phase(*one) for one in marks), Phase("deliver", last, end))


def _usage(served: Served) -> Usage:
    if served.admitted is None:
        return Usage()
    return Usage(served.ask.read, served.ask.cached, served.made)


def _gpu(served: Served, usage: Usage) -> GpuUse | None:
    if served.admitted is None:
        return None
    price = int(served.device * 1e6) * MICRODOLLARS_PER_HOUR // 3_600_000
    tokens = usage.uncached_input_tokens, usage.output_tokens
    return GpuUse(int(served.device * 1e9), price, *tokens, (3, 3))
