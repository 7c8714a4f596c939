"""Takes the engine core's books out of vLLM's statistics, before its own loggers see them."""

from collections.abc import Callable
from typing import Any

from vllm.config import VllmConfig
from vllm.v1.metrics.loggers import StatLoggerBase
from vllm.v1.metrics.stats import FinishedRequestStats, IterationStats, SchedulerStats

from server.ledger.device_ledger import Ledger
from server.readiness.stall import Pulse
from server.signals.hook_errors import failed
from server.signals.logs import request_id_in
from server.wire.report import KEY, decode


class LedgerStatLogger(StatLoggerBase):
    """Feeds a ledger and a pulse; an exception here would end vLLM's output loop: none leaves."""

    def __init__(self, ledger: Ledger, pulse: Pulse) -> None:
        self._ledger = ledger
        self._pulse = pulse

    def record(
        self,
        scheduler_stats: SchedulerStats | None,
        iteration_stats: IterationStats | None = None,
        *_others: Any,
        **_named: Any,
    ) -> None:
        """Take in one report, and out of vLLM's own what it would observe as a time below 0."""
        # Whatever it says, the engine has said something.
        self._pulse.beat()
        if iteration_stats is not None:
            _drop_unscheduled(iteration_stats)
        stats = scheduler_stats.kv_connector_stats if scheduler_stats else None
        if not stats or KEY not in stats:
            return
        # vLLM's next logger raises on what it does not know.
        raw = stats.pop(KEY)
        if scheduler_stats is not None and not stats:
            scheduler_stats.kv_connector_stats = None
        try:
            self._ledger.receive(decode(raw), request_id_in)
        except Exception as error:
            failed("ledger", error)

    def log_engine_initialized(self) -> None:
        """Nothing to say."""


def _drop_unscheduled(stats: IterationStats) -> None:
    # Of a request that ended before its first token, such as one whose grammar the engine refuses,
    # vLLM takes a time that was never set from one that was: a sum of minus hours, which no scraper
    # takes for a histogram's. It is in our own metrics, with what is known of it.
    try:
        finished = stats.finished_requests
        finished[:] = [each for each in finished if min(_times(each)) >= 0]
    except Exception as error:
        failed("output", error)


def _times(request: FinishedRequestStats) -> tuple[float, ...]:
    return request.queued_time, request.prefill_time, request.decode_time, request.inference_time


def factory(ledger: Ledger, pulse: Pulse) -> Callable[[VllmConfig, int], LedgerStatLogger]:
    """What AsyncLLM makes its first logger from."""
    return lambda _config, _engine_index: LedgerStatLogger(ledger, pulse)
