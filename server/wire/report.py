"""What the engine core tells the API process of device time: its books, and who used how much.

It travels in SchedulerStats.kv_connector_stats, the one free dictionary of vLLM 0.32 that crosses
the process boundary, in order with the tokens (docs/cost.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

KEY = "llm_observability"


class Settlement(NamedTuple):
    """All that one engine request used; it is in no step any more.

    `scheduled_ns` is CLOCK_MONOTONIC at its first step, 0 when it never had one. `cached_tokens`
    are those of its prompt that were not computed at that step. `first_version` and `last_version`
    are the step model's when its first and last step were shared.
    """

    request_id: str
    nanoseconds: int
    prefill_tokens: int
    decode_tokens: int
    cached_tokens: int
    scheduled_ns: int
    first_version: int
    last_version: int


class Report(NamedTuple):
    """The engine core's books after a step; nanoseconds of CLOCK_MONOTONIC.

    cursor - origin = idle + stall + all settled so far + open. `error` is the step model's, None
    before a step was measured. A `fault` says why device time is no longer accounted for.
    """

    origin: int
    cursor: int
    idle: int
    stall: int
    open: int
    version: int
    error: float | None
    fault: str
    settlements: Sequence[Settlement]


def encode(report: Report) -> list[Any]:
    """The report as msgpack carries it."""
    return [*report[:-1], [list(settlement) for settlement in report.settlements]]


def decode(raw: Sequence[Any]) -> Report:
    """The report that `encode` made; raises TypeError for anything else."""
    return Report._make([*raw[:-1], [Settlement._make(each) for each in raw[-1]]])
