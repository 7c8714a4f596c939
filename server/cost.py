"""What a request cost by the price list: tokens x price, exact decimal arithmetic."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path

from server import metrics
from server.labels import OTHER
from server.record import Outcome, RequestRecord, Usage
from server.settings import SettingsError, read_yaml

MIN_OUTPUT_TOKENS = 16
"""Below this a cost per 1000 output tokens says nothing: 2,000 tokens in and 1 out reads $0.30."""


@dataclass(frozen=True, slots=True)
class Price:
    """One dated entry; dollars per million tokens, which is microdollars per token."""

    model: str
    since: datetime.date
    input: Decimal
    cached_input: Decimal
    output: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """Microdollars of the usage: sum of tokens x price over the three disjoint kinds."""
        return (
            usage.uncached_input_tokens * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.output_tokens * self.output
        )


def _amount(where: str, entry: Mapping[str, object], key: str) -> Decimal:
    try:
        amount = Decimal(str(entry.get(key)))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise SettingsError(where, key, "must be dollars per million tokens, at least 0")
    return amount


def _price(path: Path, number: int, entry: object) -> Price:
    where = f"{path}: prices[{number}]"
    if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
        raise SettingsError(where, "model", "must name a model or a pattern")
    if type(entry.get("from")) is not datetime.date:
        raise SettingsError(where, "from", "must be a date such as 2026-01-31")
    if not isinstance(entry.get("source"), str):
        raise SettingsError(where, "source", "must say where the price was read")
    amounts = (_amount(where, entry, key) for key in ("input", "cached_input", "output"))
    return Price(entry["model"], entry["from"], *amounts)


def read_prices(path: Path) -> tuple[Price, ...]:
    """Read the price file; raises SettingsError naming file, entry, key and fix."""
    data = read_yaml(path, "PRICES")
    entries = data.get("prices") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(entries, list):
        raise SettingsError(str(path), "prices", "must be a list of dated prices")
    if data.get("currency") != "USD":
        raise SettingsError(str(path), "currency", "must be USD")
    return tuple(_price(path, number, entry) for number, entry in enumerate(entries))


class CostTracker:
    """Puts a price-list cost on each record and feeds the cost instruments with it."""

    def __init__(self, prices: Sequence[Price]) -> None:
        self._prices = tuple(prices)

    def known(self, model: str, on: datetime.date) -> Price | None:
        """The newest price of the model that was valid on the day, None when there is none."""
        valid = (p for p in self._prices if p.since <= on and fnmatchcase(model, p.model))
        return max(valid, key=lambda price: price.since, default=None)

    def cost(self, record: RequestRecord) -> Decimal | None:
        """Microdollars of the record, None where it used nothing or the model has no price."""
        if record.usage == Usage():
            return None
        day = datetime.datetime.fromtimestamp(record.started_ns / 1e9, datetime.UTC).date()
        price = None if record.model == OTHER else self.known(record.model, day)
        return price.cost(record.usage) if price else None

    def create_label_sets(self, models: Sequence[str], tenants: Sequence[str]) -> None:
        """Create every known label set: increase() cannot see a new series' first increment.

        A model without a price gets none: a cost of 0 would be a wrong number.
        """
        today = datetime.datetime.now(datetime.UTC).date()
        priced = [model for model in models if self.known(model, today) is not None]
        for model in models:
            metrics.UNPRICED.labels(model)
        for model in priced:
            _create_priced(model)
        for tenant in tenants if priced else ():
            metrics.TENANT_COST.labels(tenant)

    def observe(self, record: RequestRecord, cost: Decimal | None) -> None:
        """Feed the cost instruments; what used no token has no cost and is left out."""
        if record.usage == Usage():
            return
        if cost is None:
            metrics.UNPRICED.labels(record.model).inc()
            return
        amount, exemplar = float(cost), {"trace_id": record.trace_id}
        metrics.COST.labels(record.model, record.outcome).inc(amount, exemplar)
        metrics.TENANT_COST.labels(record.tenant).inc(amount, exemplar)
        metrics.REQUEST_COST.labels(record.model).observe(amount, exemplar)
        self._observe_per_1k(record, amount, exemplar)

    def _observe_per_1k(self, record: RequestRecord, amount: float, ex: dict[str, str]) -> None:
        tokens = record.usage.output_tokens
        if tokens < MIN_OUTPUT_TOKENS:
            reason = "few_tokens" if tokens else "no_output"
            metrics.PER_1K_EXCLUDED.labels(record.model, reason).inc()
            return
        metrics.REQUEST_COST_PER_1K.labels(record.model).observe(amount / tokens * 1000, ex)


def _create_priced(model: str) -> None:
    metrics.REQUEST_COST.labels(model)
    metrics.REQUEST_COST_PER_1K.labels(model)
    for reason in ("no_output", "few_tokens"):
        metrics.PER_1K_EXCLUDED.labels(model, reason)
    for outcome in Outcome:
        metrics.COST.labels(model, outcome)
