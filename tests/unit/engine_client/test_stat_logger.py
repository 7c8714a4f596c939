"""The stat logger: our books are taken out of vLLM's statistics, and nothing stops its loop."""

from typing import Any

import pytest
from vllm.config import VllmConfig
from vllm.v1.engine import FinishReason
from vllm.v1.metrics.loggers import StatLoggerManager
from vllm.v1.metrics.stats import (
    FinishedRequestStats,
    IterationStats,
    RequestStateStats,
    SchedulerStats,
)

from server.engine_client.stat_logger import LedgerStatLogger, factory
from server.ledger.bill import Part
from server.ledger.device_ledger import Ledger
from server.readiness.stall import Pulse
from server.wire.report import KEY, encode
from tests.unit.helpers import hook_failures
from tests.unit.ledger.test_ledger import SECOND, ready, report

STALL = {"origin": SECOND, "stall": SECOND}


def stats(content: dict[str, Any] | None) -> SchedulerStats:
    return SchedulerStats(kv_connector_stats=content)


def test_the_books_reach_the_ledger_and_leave_the_statistics() -> None:
    ledger = ready()
    seen = stats({KEY: encode(report(2 * SECOND, **STALL))})
    LedgerStatLogger(ledger, Pulse()).record(seen, None, mm_cache_stats=None, engine_idx=0)
    assert ledger.books["part", Part.STALL] == 1_000_000
    assert seen.kv_connector_stats is None


def test_what_a_real_connector_says_stays() -> None:
    seen = stats({KEY: encode(report(2 * SECOND, **STALL)), "nixl": {"transfers": 1}})
    LedgerStatLogger(ready(), Pulse()).record(seen, None)
    assert seen.kv_connector_stats == {"nixl": {"transfers": 1}}


@pytest.mark.parametrize("seen", [None, stats(None), stats({"other": 1})])
def test_statistics_without_books_pass(seen: SchedulerStats | None) -> None:
    with hook_failures("ledger", 0):
        LedgerStatLogger(ready(), Pulse()).record(seen, None)


@pytest.mark.parametrize("raw", [[], [1], "text", None, [1] * 8 + [[[1]]]])
def test_books_of_another_shape_are_counted_and_raise_nothing(raw: Any) -> None:
    seen = stats({KEY: raw})
    with hook_failures("ledger", 1):
        LedgerStatLogger(ready(), Pulse()).record(seen, None)
    assert seen.kv_connector_stats is None


def test_it_stands_before_vllms_own_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.metrics import loggers

    monkeypatch.setattr(loggers, "PrometheusStatLogger", lambda *_: "vLLM's own")
    ledger = Ledger(0, lambda: None)
    manager = StatLoggerManager(VllmConfig(), custom_stat_loggers=[factory(ledger, Pulse())])
    first, *others = manager.stat_loggers
    assert isinstance(first.per_engine_stat_loggers[0], LedgerStatLogger)
    assert others[-1] == "vLLM's own"


def finished(**times: float) -> IterationStats:
    """What vLLM notes of a request whose state has these times, 0.0 where it did not get there."""
    stats = IterationStats()
    stats.update_from_finished_request(
        finish_reason=FinishReason.ERROR,
        request_id="r",
        num_prompt_tokens=5,
        max_tokens_param=8,
        req_stats=RequestStateStats(arrival_time=1.0, **times),
        num_cached_tokens=0,
    )
    return stats


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ({"queued_ts": 900.0}, 0),
        ({"queued_ts": 900.0, "scheduled_ts": 901.0}, 0),
        ({"queued_ts": 900.0, "scheduled_ts": 901.0, "first_token_ts": 902.0,
          "last_token_ts": 903.0}, 1),
    ],
    ids=["refused before a step", "ended in its prefill", "whole"],
)  # fmt: skip
def test_vllm_observes_no_time_below_zero(times: dict[str, float], kept: int) -> None:
    seen = finished(**times)
    (before,) = seen.finished_requests
    assert isinstance(before, FinishedRequestStats)
    assert (min(before.queued_time, before.prefill_time, before.inference_time) < 0) == (not kept)
    with hook_failures("output", 0):
        LedgerStatLogger(ready(), Pulse()).record(None, seen)
    assert len(seen.finished_requests) == kept
