"""Spend of the day and the month: exact over restarts, anew at 0:00 UTC and on the first."""

import datetime
import json
from decimal import Decimal

from server.budget_metrics import PeriodCollector
from server.budgets import Budget, Budgets
from server.periods import Periods

EVE = datetime.date(2026, 1, 30)


class Clock:
    def __init__(self, day: datetime.date = EVE) -> None:
        self.day = day

    def __call__(self) -> datetime.date:
        return self.day

    def next(self) -> None:
        self.day += datetime.timedelta(days=1)


def test_a_day_ends_at_midnight_and_a_month_with_its_last() -> None:
    clock = Clock()
    periods = Periods({}, clock)
    for _ in range(3):
        periods.add_spend("t", Decimal("1.5"))
        periods.add_bill(7)
        clock.next()
    assert (periods.spent("day"), periods.billed("day")) == (0, 0)
    periods.add_spend("t", Decimal("2.25"))
    assert (periods.spent("day"), periods.spent("day", "t")) == (2250, 2250)
    # The third went to the first of February already.
    assert (periods.spent("month"), periods.billed("month")) == (2250 + 1500, 7)
    assert periods.spent("month", "nobody") == 0


def test_a_restart_counts_on_where_the_day_and_month_still_last() -> None:
    clock = Clock()
    first = Periods({}, clock)
    first.add_spend("t", Decimal("1"))
    first.add_bill(5)
    kept = json.loads(json.dumps(first.state()))
    same_day = Periods(kept, clock)
    assert (same_day.spent("day", "t"), same_day.billed("month")) == (1000, 5)
    clock.next()
    next_day = Periods(kept, clock)
    assert (next_day.spent("day", "t"), next_day.spent("month", "t")) == (0, 1000)
    clock.next()
    assert Periods(kept, clock).spent("month", "t") == 0


def test_nothing_kept_is_a_fresh_start() -> None:
    for kept in ({}, {"day": None}, {"day": {"name": "2026-01-30"}, "month": 3}):
        assert Periods(kept if "name" not in str(kept) else {}, Clock()).spent("day") == 0


def test_shares_of_budgets() -> None:
    periods = Periods({}, Clock())
    periods.add_spend("a", Decimal(3_000_000))
    limits = {"a": Budget(day=Decimal(4), month=Decimal(30)), "b": Budget(month=Decimal(10))}
    collector = PeriodCollector(periods, Budgets(Decimal("0.7"), limits))
    found = {
        (sample.name, sample.labels.get("tenant")): sample.value
        for family in collector.collect()
        for sample in family.samples
    }
    assert found == {
        ("llm_spend_today_microdollars", None): 3_000_000.0,
        ("llm_spend_month_microdollars", None): 3_000_000.0,
        ("llm_budget_soft_ratio", None): 0.7,
        ("llm_tenant_budget_day_used_ratio", "a"): 0.75,
        ("llm_tenant_budget_month_used_ratio", "a"): 0.1,
        ("llm_tenant_budget_month_used_ratio", "b"): 0.0,
    }


def test_without_budgets_there_are_none() -> None:
    names = {family.name for family in PeriodCollector(Periods({}, Clock()), Budgets()).collect()}
    assert names == {"llm_spend_today_microdollars", "llm_spend_month_microdollars"}
