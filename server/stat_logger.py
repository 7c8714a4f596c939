"""Takes the engine core's books out of vLLM's statistics, before its own loggers see them."""

from collections.abc import Callable
from typing import Any

from vllm.config import VllmConfig
from vllm.v1.metrics.loggers import StatLoggerBase
from vllm.v1.metrics.stats import SchedulerStats

from server.guard import failed
from server.ledger import Ledger
from server.logs import request_id_in
from server.settlement import KEY, decode


class LedgerStatLogger(StatLoggerBase):
    """Feeds a ledger; an exception here would end vLLM's output loop, so none leaves."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(
        self,
        scheduler_stats: SchedulerStats | None,
        *_others: Any,
        **_named: Any,
    ) -> None:
        """Take in one report."""
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


def factory(ledger: Ledger) -> Callable[[VllmConfig, int], LedgerStatLogger]:
    """What AsyncLLM makes its first logger from."""
    return lambda _config, _engine_index: LedgerStatLogger(ledger)
