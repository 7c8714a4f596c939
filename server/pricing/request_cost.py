"""What a request cost, put on its record by the price list, and the instruments of both costs."""

import datetime
import logging
from collections.abc import Sequence
from decimal import Decimal

from server.pricing.price_file import PriceFile
from server.pricing.price_list import Price, today
from server.record import waste
from server.record.request import Outcome, RequestRecord, Usage
from server.signals import instruments
from server.signals.labels import OTHER

MIN_OUTPUT_TOKENS = 16
"""Below this a cost per 1000 output tokens says nothing: 2,000 tokens in and 1 out reads $0.30."""

_log = logging.getLogger(__name__)


class CostTracker:
    """Puts a price-list cost on each record and feeds the cost instruments with it.

    `watched` tenants have histograms of their own.
    """

    def __init__(self, prices: PriceFile, watched: Sequence[str] = ()) -> None:
        self._prices = prices
        self._watched = frozenset(watched)
        self._unpriced: set[str] = set()

    def _price(self, record: RequestRecord) -> Price | None:
        day = datetime.datetime.fromtimestamp(record.started_ns / 1e9, datetime.UTC).date()
        return self._prices.current.model_price(record.engine_model or record.model, day)

    def cost(self, record: RequestRecord) -> Decimal | None:
        """Microdollars of the record, None where it used nothing or the model has no price."""
        if record.usage == Usage():
            return None
        price = self._price(record)
        return price.cost(record.usage) if price else None

    def create_label_sets(self, models: Sequence[str], tenants: Sequence[str]) -> None:
        """Create every known label set: increase() cannot see a new series' first increment.

        A model without a price gets none: a cost of 0 would be a wrong number.
        """
        day, prices = today(), self._prices.current
        priced = [model for model in models if prices.model_price(model, day) is not None]
        for model in (*models, OTHER):
            instruments.UNPRICED.labels(model)
        for model in priced:
            _create_priced(model)
        for tenant in tenants if priced else ():
            instruments.TENANT_COST.labels(tenant)
        for tenant in self._watched if priced else ():
            instruments.WATCHED_COST.labels(tenant)

    def create_gpu_label_sets(self, models: Sequence[str]) -> None:
        """Create those of the cost by device time, for an engine whose device time is priced."""
        for model in models:
            instruments.REQUEST_GPU_COST.labels(model)
            instruments.REQUEST_GPU_COST_PER_1K.labels(model)
        for tenant in self._watched:
            instruments.WATCHED_GPU_COST.labels(tenant)

    def observe(self, record: RequestRecord, cost: Decimal | None) -> None:
        """Feed the cost instruments; what used no token has no cost by the price list."""
        exemplar = {"trace_id": record.trace_id}
        # Before all else: a prompt that was abandoned halfway took device time and has no tokens.
        if record.gpu is not None and record.gpu.microdollars is not None:
            self._observe_gpu(record, record.gpu.microdollars, exemplar)
        if record.usage == Usage():
            return
        if cost is None:
            self._count_unpriced(record)
            return
        self._observe_priced(record, float(cost), exemplar)
        self._observe_saved(record, exemplar)

    def _count_unpriced(self, record: RequestRecord) -> None:
        instruments.UNPRICED.labels(record.model).inc()
        model = record.engine_model or record.model
        if model not in self._unpriced:
            self._unpriced.add(model)
            path = self._prices.path
            _log.warning("model %s has no price, so its requests have no cost: see %s", model, path)

    def _observe_priced(self, record: RequestRecord, amount: float, ex: dict[str, str]) -> None:
        instruments.COST.labels(record.model, record.outcome).inc(amount, ex)
        instruments.TENANT_COST.labels(record.tenant).inc(amount, ex)
        instruments.REQUEST_COST.labels(record.model).observe(amount, ex)
        if record.tenant in self._watched:
            instruments.WATCHED_COST.labels(record.tenant).observe(amount, ex)
        wasted = waste.of(record)
        if wasted is not None:
            instruments.WASTED_COST.labels(record.model, wasted).inc(amount, ex)
        tokens = record.usage.output_tokens
        if tokens < MIN_OUTPUT_TOKENS:
            reason = "few_tokens" if tokens else "no_output"
            instruments.PER_1K_EXCLUDED.labels(record.model, reason).inc()
            return
        instruments.REQUEST_COST_PER_1K.labels(record.model).observe(amount / tokens * 1000, ex)

    def _observe_saved(self, record: RequestRecord, ex: dict[str, str]) -> None:
        # Before it saves something: increase() cannot see a new series' first increment.
        savings = instruments.CACHE_SAVINGS.labels(record.model)
        price = self._price(record) if record.usage.cached_input_tokens else None
        saved = price.saved(record.usage) if price else 0
        # Whoever follows the exemplar wants a request that saved something.
        if saved:
            savings.inc(float(saved), ex)

    def _observe_gpu(self, record: RequestRecord, amount: float, ex: dict[str, str]) -> None:
        instruments.REQUEST_GPU_COST.labels(record.model).observe(amount, ex)
        if record.tenant in self._watched:
            instruments.WATCHED_GPU_COST.labels(record.tenant).observe(amount, ex)
        tokens = record.usage.output_tokens
        if tokens >= MIN_OUTPUT_TOKENS:
            per_1k = instruments.REQUEST_GPU_COST_PER_1K.labels(record.model)
            per_1k.observe(amount / tokens * 1000, ex)


def _create_priced(model: str) -> None:
    instruments.REQUEST_COST.labels(model)
    instruments.REQUEST_COST_PER_1K.labels(model)
    instruments.CACHE_SAVINGS.labels(model)
    for reason in ("no_output", "few_tokens"):
        instruments.PER_1K_EXCLUDED.labels(model, reason)
    for outcome in Outcome:
        instruments.COST.labels(model, outcome)
    for kind in waste.KINDS:
        instruments.WASTED_COST.labels(model, kind)
