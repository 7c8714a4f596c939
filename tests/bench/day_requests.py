"""A day of requests from a seed: real records, Poisson arrivals, lognormal durations."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import TypeVar

from server.catalogue.quantiles import FASTEST
from server.record.request import GpuUse, Operation, Outcome, Phase, RequestRecord, Usage
from server.signals.labels import OTHER

MODELS = ("llama-large", "llama-small")
TENANTS = ("acme", "bolt", "cobalt", "delta", "ember", "fjord", "granite", "harbor")
DEADLINE_SECONDS = 600.0
MICRODOLLARS_PER_HOUR = 2_000_000
"""What the one device costs."""
_MEDIAN_SECONDS, _SIGMA = 2.5, 1.3
"""Of the durations: the fastest of a day lasts 50 ms, the slowest minutes."""
_SECONDS_PER_TOKEN = 0.02
_BATCH = 64
"""Requests that share the device: at 5 requests/s it is busy half of the time."""
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is made: `rate` requests a second, from `start` to `end` in Unix seconds."""

    rate: float
    hours: float
    seed: int
    end: float

    @property
    def start(self) -> float:
        """The first moment, in Unix seconds."""
        return self.end - self.hours * 3600

    @property
    def expected(self) -> int:
        """About how many requests that is."""
        return max(1, round(self.rate * self.hours * 3600))


@dataclass(frozen=True)
class End:
    """One way to end, and how often of a thousand: `served` is whether the engine was used."""

    outcome: Outcome
    reason: str
    status: int
    often: float
    served: bool = True


ENDS = (
    End(Outcome.OK, "stop", 200, 880),
    End(Outcome.OK, "length", 200, 90),
    End(Outcome.CLIENT_ERROR, "bad_request", 400, 6, served=False),
    End(Outcome.CLIENT_ERROR, "auth", 401, 3, served=False),
    End(Outcome.CLIENT_ERROR, "unknown_model", 404, 3, served=False),
    End(Outcome.ABORTED, "client_disconnect", 200, 10),
    End(Outcome.TIMEOUT, "deadline", 504, 2),
    End(Outcome.SERVER_ERROR, "exception", 500, 2),
    End(Outcome.SERVER_ERROR, "engine_error", 500, 2),
    End(Outcome.SERVER_ERROR, "overloaded", 503, 2, served=False),
)
"""97 % succeed."""


def requests(plan: Plan) -> Iterator[RequestRecord]:
    """Every request that ends within the plan's time, by its end; the same for the same plan."""
    dice, at, number = Random(plan.seed), plan.start, 0
    open_: list[tuple[int, int, RequestRecord]] = []
    while (at := at + dice.expovariate(plan.rate)) < plan.end:
        record, number = _request(dice, int(at * 1e9)), number + 1
        heappush(open_, (ended_ns(record), number, record))
        # Nothing that starts later can end before this one started.
        while open_ and open_[0][0] <= record.started_ns:
            yield heappop(open_)[2]
    while open_ and open_[0][0] < plan.end * 1e9:
        yield heappop(open_)[2]


def ended_ns(record: RequestRecord) -> int:
    """When the request ended, in Unix nanoseconds."""
    return record.started_ns + round((record.duration_seconds or 0.0) * 1e9)


def _request(dice: Random, started_ns: int) -> RequestRecord:
    end = _one_of(dice, ENDS, [end.often for end in ENDS])
    trace_id, span_id = f"{dice.getrandbits(128) | 1:032x}", f"{dice.getrandbits(64) | 1:016x}"
    seconds = _seconds(dice, end)
    phases = _phases(dice, seconds, end) if end.served else ()
    usage = _usage(dice, phases)
    operation, route = _asked(dice)
    return RequestRecord(
        trace_id=trace_id,
        span_id=span_id,
        tenant=OTHER if end.reason == "auth" else _one_of(dice, TENANTS, _falling(TENANTS)),
        model=OTHER if end.reason == "unknown_model" else _one_of(dice, MODELS, _falling(MODELS)),
        operation=operation,
        outcome=end.outcome,
        reason=end.reason,
        method="POST",
        route=route,
        status_code=end.status,
        stream=dice.random() < 0.8,
        started_ns=started_ns,
        duration_seconds=seconds,
        time_to_first_token_seconds=_first_token(phases),
        time_per_output_token_seconds=_per_token(phases, usage),
        phases=phases,
        usage=usage,
        finish_reasons=(end.reason,) if end.outcome is Outcome.OK else (),
        response_id=f"chatcmpl-{trace_id}-{span_id}" if end.served else None,
        error_type=None if end.outcome is Outcome.OK else end.reason,
        gpu=_gpu(phases, usage),
        retry=dice.random() < 0.01,
    )


def _one_of(dice: Random, these: Sequence[T], weights: Sequence[float]) -> T:
    return dice.choices(these, weights)[0]


def _falling(these: Sequence[str]) -> list[float]:
    """Weights by rank, as tenants and models have them: the second half of the first."""
    return [1 / rank for rank in range(1, len(these) + 1)]


def _asked(dice: Random) -> tuple[Operation, str]:
    if dice.random() < 0.85:
        return Operation.CHAT, "/v1/chat/completions"
    return Operation.TEXT_COMPLETION, "/v1/completions"


def _seconds(dice: Random, end: End) -> float:
    if end.outcome is Outcome.TIMEOUT:
        return DEADLINE_SECONDS
    median = _MEDIAN_SECONDS if end.served else 0.005
    drawn = dice.lognormvariate(math.log(median), _SIGMA)
    return min(max(drawn, FASTEST if end.served else 0.0005), DEADLINE_SECONDS)


def _phases(dice: Random, seconds: float, end: End) -> tuple[Phase, ...]:
    """The phases that tile the request; an abort in five came before the first token."""
    queue, prefill = dice.uniform(0.001, 0.1), dice.uniform(0.02, 0.2)
    if end.outcome is Outcome.ABORTED and dice.random() < 0.2:
        return Phase("tokenize", 0.0, 0.002), Phase("queue", 0.002, seconds, complete=False)
    names = ("tokenize", "queue", "prefill", "decode", "deliver")
    shares = (0.004, queue, prefill, 0.99 - queue - prefill, 0.006)
    marks = [0.0]
    for share in shares:
        marks.append(marks[-1] + share * seconds)
    return tuple(Phase(*one) for one in zip(names, marks, marks[1:], strict=False))


def _usage(dice: Random, phases: Sequence[Phase]) -> Usage:
    decode = next((phase for phase in phases if phase.name == "decode"), None)
    if decode is None:
        return Usage()
    read = min(int(dice.lognormvariate(math.log(500), 1.2)) + 8, 32_000)
    cached = 16 * int(read * dice.random() / 16) if dice.random() < 0.4 else 0
    pace = dice.lognormvariate(math.log(_SECONDS_PER_TOKEN), 0.4)
    return Usage(read, cached, 1 + round(decode.seconds / pace))


def _first_token(phases: Sequence[Phase]) -> float | None:
    return next((phase.start for phase in phases if phase.name == "decode"), None)


def _per_token(phases: Sequence[Phase], usage: Usage) -> float | None:
    decode = next((phase for phase in phases if phase.name == "decode"), None)
    gaps = usage.output_tokens - 1
    return decode.seconds / gaps if decode is not None and gaps > 0 else None


def _gpu(phases: Sequence[Phase], usage: Usage) -> GpuUse | None:
    used = sum(phase.seconds for phase in phases if phase.name in ("prefill", "decode"))
    if not used:
        return None
    nanoseconds = int(used / _BATCH * 1e9)
    price = nanoseconds * MICRODOLLARS_PER_HOUR // (3600 * 10**6)
    return GpuUse(nanoseconds, price, usage.uncached_input_tokens, usage.output_tokens, (3, 3))
