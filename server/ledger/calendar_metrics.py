"""Spend of the day and the month on /metrics, and what share of each budget it is."""

from collections.abc import Iterator
from decimal import Decimal

from prometheus_client.registry import Collector

from server.catalogue import Metric, cost
from server.ledger.calendar import Periods
from server.pricing.budgets import Budgets
from server.signals.instruments import Family, family, single

_NANODOLLARS = Decimal(10**9)


class PeriodCollector(Collector):
    """Reads the periods at each scrape, so that a new day begins at 0 without a request."""

    def __init__(self, periods: Periods, budgets: Budgets) -> None:
        self._periods = periods
        self._budgets = budgets

    def describe(self) -> list[Family]:
        """The families without samples."""
        return [family(cost.SPEND_TODAY), family(cost.SPEND_MONTH)]

    def collect(self) -> Iterator[Family]:
        """Microdollars, and shares of the budgets that there are."""
        yield single(cost.SPEND_TODAY, self._periods.spent("day") / 1000)
        yield single(cost.SPEND_MONTH, self._periods.spent("month") / 1000)
        if self._budgets.tenants:
            yield single(cost.BUDGET_SOFT, float(self._budgets.soft))
            yield self._used(cost.BUDGET_DAY_USED, "day")
            yield self._used(cost.BUDGET_MONTH_USED, "month")

    def _used(self, metric: Metric, period: str) -> Family:
        found = family(metric)
        for tenant, budget in self._budgets.tenants.items():
            limit = budget.day if period == "day" else budget.month
            if limit is not None:
                spent = self._periods.spent(period, tenant)
                found.add_metric([tenant], float(spent / (limit * _NANODOLLARS)))
        return found
