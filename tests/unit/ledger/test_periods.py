"""Spend of the day and the month: exact over restarts, anew at 0:00 UTC, whatever a clock does."""

import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.ledger.calendar import STRETCHES, Periods
from server.ledger.calendar_metrics import PeriodCollector
from server.ledger.kept_periods import STRETCH_SECONDS, KeptPeriods
from server.pricing.budgets import Budget, Budgets

EVE = datetime.datetime(2026, 1, 30, 12, tzinfo=datetime.UTC).timestamp()
DAY = 86400.0
JUMPS = st.floats(-1e9, 1e9) | st.floats(-3 * DAY, 3 * DAY) | st.floats(-3.0, 3.0)


class Clock:
    """A wall clock that can be set, and the time that passes whatever it says."""

    def __init__(self, now: float = EVE) -> None:
        self.now = now
        self.passed = 1000.0
        self.boot = "first"

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    def reboot(self) -> None:
        self.passed, self.boot = 30.0, "second"

    def periods(self, kept: KeptPeriods | None = None) -> Periods:
        text = msgspec.json.encode(kept or KeptPeriods())
        found = msgspec.json.decode(text, type=KeptPeriods)
        return Periods(found, lambda: self.now, lambda: self.passed, self.boot)


def test_a_day_ends_at_midnight_and_a_month_with_its_last() -> None:
    clock = Clock()
    periods = clock.periods()
    for _ in range(3):
        periods.add_spend("t", "m", Decimal("1.5"))
        periods.add_bill(7, "part/idle")
        clock.go(DAY)
    assert (periods.spent("day"), periods.billed("day")) == (0, 0)
    periods.add_spend("t", "m", Decimal("2.25"))
    assert (periods.spent("day"), periods.spent("day", "t")) == (2250, 2250)
    # The third went to the first of February already.
    assert (periods.spent("month"), periods.billed("month")) == (2250 + 1500, 7)
    assert periods.spent("month", "nobody") == 0


def test_a_restart_counts_on_where_the_day_and_month_still_last() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_spend("t", "m", Decimal("1"))
    first.add_bill(5, "part/idle")
    kept = first.state()
    same_day = clock.periods(kept)
    assert (same_day.spent("day", "t"), same_day.billed("month")) == (1000, 5)
    clock.go(DAY)
    next_day = clock.periods(kept)
    assert (next_day.spent("day", "t"), next_day.spent("month", "t")) == (0, 1000)
    clock.go(DAY)
    assert clock.periods(kept).spent("month", "t") == 0


def test_a_clock_that_jumps_a_year_ahead_and_back_loses_nothing() -> None:
    clock = Clock()
    periods = clock.periods()
    periods.add_spend("t", "m", Decimal(1))
    clock.now += 365 * DAY
    periods.add_spend("t", "m", Decimal(2))
    clock.now -= 365 * DAY
    periods.add_spend("t", "m", Decimal(4))
    assert (periods.spent("day"), periods.spent("month", "t")) == (7000, 7000)


def test_a_restart_while_the_clock_is_wrong_loses_nothing() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_spend("t", "m", Decimal(1))
    clock.now += 365 * DAY
    second = clock.periods(first.state())
    second.add_spend("t", "m", Decimal(2))
    third = clock.periods(second.state())
    clock.now -= 365 * DAY
    assert third.spent("day", "t") == 3000
    assert clock.periods(third.state()).spent("month", "t") == 3000


def test_after_a_boot_what_was_spent_keeps_its_day() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_spend("t", "m", Decimal(1))
    clock.go(DAY)
    kept = first.state()
    clock.reboot()
    second = clock.periods(kept)
    assert (second.spent("day"), second.spent("month")) == (0, 1000)
    clock.now -= DAY
    assert second.spent("day") == 1000


def test_a_second_back_over_midnight_wipes_nothing() -> None:
    clock = Clock(EVE + DAY / 2 - 0.5)
    periods = clock.periods()
    periods.add_spend("t", "m", Decimal(1))
    clock.go(1.0)
    periods.add_spend("t", "m", Decimal(2))
    clock.now -= 1.0
    periods.add_spend("t", "m", Decimal(4))
    # By the clock as it is now, all of it was spent before midnight.
    assert periods.spent("day") == 7000
    clock.go(1.0)
    periods.add_spend("t", "m", Decimal(8))
    assert (periods.spent("day"), periods.spent("month")) == (8000, 15_000)
    assert clock.periods(periods.state()).spent("day") == 8000


def test_an_hour_of_right_bookings_stays_where_a_second_back_comes_after_midnight() -> None:
    clock = Clock(EVE + DAY / 2 + 0.5)
    periods = clock.periods()
    for _ in range(60):
        periods.add_spend("t", "m", Decimal(1))
        clock.go(60.0)
    clock.now -= 1.0
    assert periods.spent("day") == 60_000


def test_a_day_back_and_right_again_counts_for_the_true_day_also_over_a_restart() -> None:
    clock = Clock()
    first = clock.periods()
    clock.now -= DAY
    first.add_spend("t", "m", Decimal(1))
    assert first.spent("day") == 1000
    clock.now += DAY
    second = clock.periods(first.state())
    assert (second.spent("day"), second.state().day.get("2026-01-29")) == (1000, None)


def test_a_file_without_ends_of_stretches_is_read() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_spend("t", "m", Decimal(1))
    old = msgspec.to_builtins(first.state())
    del old["offsets"], old["stretches"][0]["ended"]
    assert clock.periods(msgspec.convert(old, KeptPeriods)).spent("day") == 1000


def test_a_start_in_1970_counts_for_the_day_on_which_the_clock_is_set() -> None:
    clock = Clock(100.0)
    kept = KeptPeriods({"2026-01-30": {"spend": 5000}}, {"2026-01": {"spend": 5000}})
    periods = clock.periods(kept)
    periods.add_spend("t", "m", Decimal(1))
    assert periods.spent("day") == 1000
    clock.go(60)
    clock.now = EVE
    assert (periods.spent("day"), periods.spent("month")) == (6000, 6000)


def test_what_a_process_left_in_1970_counts_when_the_next_one_starts() -> None:
    clock = Clock(100.0)
    first = clock.periods(KeptPeriods({"2026-01-30": {"spend": 5000}}))
    first.add_spend("t", "m", Decimal(1))
    kept = first.state()
    clock.reboot()
    clock.now = EVE
    second = clock.periods(kept)
    assert (second.spent("day"), second.spent("month")) == (6000, 1000)


def test_a_clock_that_was_never_set_dates_this_process_by_the_time_that_passed() -> None:
    clock = Clock(EVE - 1000 * DAY)
    periods = clock.periods()
    periods.add_spend("t", "m", Decimal(1))
    clock.go(DAY)
    periods.add_spend("t", "m", Decimal(2))
    clock.go(60)
    clock.now = EVE
    assert (periods.spent("day"), periods.spent("month")) == (2000, 3000)


def test_a_machine_that_was_paused_over_the_end_of_a_month_keeps_both() -> None:
    clock = Clock(EVE + DAY + DAY / 3)
    periods = clock.periods()
    periods.add_spend("t", "m", Decimal(1))
    clock.now += 10 * 3600
    assert (periods.spent("day"), periods.spent("month")) == (0, 0)
    assert periods._sums["month"]["2026-01"]["spend"] == 1000


@pytest.mark.parametrize("restarted", [False, True])
def test_a_small_step_after_a_pause_moves_nothing_of_before_it(restarted: bool) -> None:
    clock = Clock(EVE)
    periods = clock.periods()
    for _ in range(60):
        periods.add_spend("t", "m", Decimal(1))
        clock.go(600.0)
    clock.now += 8 * 3600
    periods.add_spend("t", "m", Decimal(2))
    if restarted:
        periods = clock.periods(periods.state())
    clock.now += 0.6
    assert periods.spent("day") == 2000
    assert periods._sums["day"]["2026-01-30"]["spend"] == 60_000


def test_an_hour_of_a_file_without_ends_is_moved_by_no_drift() -> None:
    clock = Clock(EVE + DAY / 2 + 0.2)
    first = clock.periods()
    for _ in range(59):
        first.add_spend("t", "m", Decimal(1))
        clock.go(60.0)
    old = msgspec.to_builtins(first.state())
    del old["offsets"], old["stretches"][0]["ended"]
    clock.now -= 0.6
    assert clock.periods(msgspec.convert(old, KeptPeriods)).spent("day") == 59_000


def test_days_of_a_wrong_clock_count_when_it_is_set() -> None:
    clock = Clock()
    periods = clock.periods()
    periods.add_spend("t", "m", Decimal(1))
    clock.now += 365 * DAY
    for _ in range(72):
        clock.go(STRETCH_SECONDS + 1)
        periods.add_spend("t", "m", Decimal(1))
    clock.now -= 365 * DAY
    periods.spent("day")
    days = periods._sums["day"]
    assert sum(sums["spend"] for sums in days.values()) == 73_000
    assert max(days) == _day(clock.now)


def test_a_boot_that_mends_the_clock_brings_back_what_it_misdated() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_spend("t", "m", Decimal(1))
    clock.now += 365 * DAY
    first.add_spend("t", "m", Decimal(2))
    kept = first.state()
    clock.reboot()
    clock.now -= 365 * DAY
    second = clock.periods(kept)
    assert (second.spent("day", "t"), second.spent("month", "t")) == (3000, 3000)


def test_a_clock_that_falls_back_by_months_takes_nothing_along() -> None:
    clock = Clock(EVE + 200 * DAY)
    first = clock.periods()
    first.add_spend("t", "m", Decimal(1))
    kept = first.state()
    clock.reboot()
    clock.now -= 190 * DAY
    second = clock.periods(kept)
    assert second.spent("month") == 0
    clock.now += 190 * DAY
    assert (second.spent("day"), second.spent("month")) == (1000, 1000)


@given(st.lists(st.tuples(st.floats(0, 3 * STRETCH_SECONDS), JUMPS), max_size=30))
@example([(0.0, -2.0)])
@example([(0.0, -DAY)])
@example([(0.0, -DAY), (60.0, DAY / 2)])
def test_spend_is_never_lost_by_a_clock(steps: list[tuple[float, float]]) -> None:
    clock = Clock(EVE - 12 * 3600 + 1)
    periods, passed = clock.periods(), 0.0
    for seconds, jump in steps:
        clock.go(seconds)
        passed += seconds
        clock.now = max(0.0, clock.now + jump)
        periods.add_spend("t", "m", Decimal(1))
    clock.now = EVE - 12 * 3600 + 1 + passed
    # Whatever it said meanwhile: the true days hold all of it again.
    periods.spent("day")
    for period, length in (("day", 10), ("month", 7)):
        sums = periods._sums[period]
        assert sum(each["spend"] for each in sums.values()) == 1000 * len(steps)
        assert set(sums) <= {_day(EVE + DAY * n)[:length] for n in range(5)}


def test_long_ago_is_settled_and_stays() -> None:
    clock = Clock()
    periods = clock.periods()
    hours = 24 * 40
    for _ in range(hours):
        periods.add_spend("t", "m", Decimal(1))
        clock.go(STRETCH_SECONDS + 1)
    state = clock.periods(periods.state()).state()
    assert (len(state.day), len(state.month), len(state.stretches)) == (8, 3, STRETCHES)
    here = [n for n in range(hours) if _day(EVE + n * 3601)[:7] == _day(clock.now)[:7]]
    assert periods.spent("month") == 1000 * len(here)


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()


def test_nothing_kept_is_a_fresh_start() -> None:
    assert Clock().periods().spent("day") == 0


def test_shares_of_budgets() -> None:
    periods = Clock().periods()
    periods.add_spend("a", "m", Decimal(3_000_000))
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
    names = {family.name for family in PeriodCollector(Clock().periods(), Budgets()).collect()}
    assert names == {"llm_spend_today_microdollars", "llm_spend_month_microdollars"}


def test_whose_a_month_was_outlives_restarts_and_stands_in_no_day() -> None:
    clock = Clock()
    first = clock.periods()
    first.add_bill(9, "paid")
    first.add_use(9, "used/t/org/m")
    first.add_spend("t", "org/m", Decimal(1))
    clock.go(3600)
    clock.reboot()
    kept = clock.periods(first.state()).state()
    assert kept.month["2026-01"] == {
        "bill": 9, "known": 9, "paid": 9, "booked": 9, "used/t/org/m": 9,
        "spend": 1000, "spend/t": 1000, "sold/t/org/m": 1000,
    }  # fmt: skip
    assert kept.day["2026-01-30"] == {"bill": 9, "spend": 1000, "spend/t": 1000}


def test_thirteen_months_are_kept() -> None:
    clock = Clock()
    periods = clock.periods()
    for _ in range(20):
        periods.add_bill(1, "paid")
        clock.go(31 * DAY)
    clock.reboot()
    kept = clock.periods(periods.state()).state()
    assert len(kept.month) == 13 and len(kept.day) == 8
