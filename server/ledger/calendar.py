"""Spend of this day and this month (UTC), exact over restarts: what budgets are held against.

Prometheus has no calendar: increase() over 24 hours is not today, and over 30 days no month.
"""

import datetime
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path

from server.ledger.bill import BILL, BOOKED, DETAILS, KNOWN, SPEND, sold
from server.ledger.kept_periods import STRETCH_SECONDS, KeptPeriods, Stretch, Sums, copies
from server.pricing import price_list

STEP_SECONDS = 0.5
"""A clock that moves this much against the time that passed was set: steering moves both alike."""
SAME_SECONDS = 60.0
"""A clock that is set to within this of what it said before has come back to it."""
OFFSETS = 48
"""How many of the clock's offsets are remembered, each with when it was first met."""
STRETCHES = 48
"""How many can be: those before them keep the day that they were booked on."""
EARLIEST = price_list.EARLIEST.isoformat()
_KEPT = {"day": 8, "month": 13}


def _elapsed() -> float:
    # Goes on while the machine sleeps, as the wall clock does: waking up is no jump.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Periods:
    """Nanodollars since 0:00 UTC and since the first of the month; may be used by any thread.

    `kept` is what `state` returned in an earlier process. An amount keeps the day on which it was
    booked, unless a clock that is set shows that the day was wrong: it lies ahead, or before this
    program existed, or the clock comes back to what it said before. Then it is dated by the time
    that has passed since, and where that is not known any more it counts for today. `clock` is Unix
    seconds, `elapsed` seconds since the boot.
    """

    def __init__(
        self,
        kept: KeptPeriods | None = None,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = _elapsed,
        boot: str | None = None,
    ) -> None:
        found = kept or KeptPeriods()
        self._lock = threading.Lock()
        self._clock = clock
        self._elapsed = elapsed
        self._boot = _boot() if boot is None else boot
        self._settled = {
            "day": {name: Counter(sums) for name, sums in found.day.items()},
            "month": {name: Counter(sums) for name, sums in found.month.items()},
        }
        self._stretches = copies(found.stretches)
        self._ahead, self._offsets = found.ahead, list(found.offsets)
        if not self._boot or found.boot != self._boot:
            self._settle(0)
            self._ahead, self._offsets = clock() - elapsed(), []
        self._offsets = self._offsets or [(self._ahead, 0.0)]
        self._sum_up()
        self._today()

    def _date(self, now: float, passed: float) -> None:
        # A machine that was paused looks like a clock that was set, and its days were right.
        since = self._met(now - passed, passed)
        today = _day(now)
        for stretch in self._stretches:
            first, last = (
                _day(now - max(0.0, passed - then)) for then in (stretch.begun, stretch.ended)
            )
            wrong = stretch.ended >= since or not EARLIEST <= stretch.day <= today
            if wrong and not first <= stretch.day <= last:
                stretch.day = last
        self._sum_up()

    def _met(self, ahead: float, passed: float) -> float:
        """Note an offset; since when the clock has known it, infinity where it is new."""
        self._ahead = ahead
        near = [each for each in self._offsets if abs(each[0] - ahead) < SAME_SECONDS]
        others = [each for each in self._offsets if each not in near]
        self._offsets = [*others, near[0] if near else (ahead, passed)][-OFFSETS:]
        return near[0][1] if near else math.inf

    def _sum_up(self) -> None:
        self._settle_impossible(_day(self._clock()))
        self._sums = {p: {n: Counter(s) for n, s in of.items()} for p, of in self._settled.items()}
        for stretch in self._stretches:
            for period, name in _names(stretch.day):
                _book(self._sums[period], name, _of(period, stretch.sums))

    def _settle_impossible(self, today: str) -> None:
        # Of two clocks that disagree, the one that goes on from the days before it is right.
        goes_on = any(_days_before(today) <= day <= today for day in self._every_day())
        for period, name in _names(today):
            names, floor = self._settled[period], EARLIEST[: len(name)]
            early = [each for each in names if each < floor <= name]
            ahead = [each for each in names if each > name >= floor and goes_on]
            for wrong in (*early, *ahead):
                _book(names, name, names.pop(wrong))

    def _every_day(self) -> Iterator[str]:
        yield from self._settled["day"]
        yield from (stretch.day for stretch in self._stretches)

    def _settle(self, left: int) -> None:
        while len(self._stretches) > left:
            old = self._stretches.pop(0)
            for period, name in _names(old.day):
                _book(self._settled[period], name, _of(period, old.sums))

    def _today(self) -> str:
        now, passed = self._clock(), self._elapsed()
        if abs(now - passed - self._ahead) > STEP_SECONDS:
            self._date(now, passed)
        return _day(now)

    def _add(self, amounts: Mapping[str, int]) -> None:
        with self._lock:
            today = self._today()
            stretch = self._stretch(today)
            for what, amount in amounts.items():
                stretch.sums[what] = stretch.sums.get(what, 0) + amount
            for period, name in _names(today):
                _book(self._sums[period], name, _of(period, amounts))

    def _stretch(self, today: str) -> Stretch:
        now, last = self._elapsed(), self._stretches[-1] if self._stretches else None
        if last is None or last.day != today or now - last.begun > STRETCH_SECONDS:
            last = Stretch(now, today, {})
            self._stretches.append(last)
            self._settle(STRETCHES)
        last.ended = now
        return last

    def add_bill(self, nanodollars: int, what: str) -> None:
        """Device time passed, and what it was for is known now, or is PAID for and not yet."""
        self._add({BILL: nanodollars, KNOWN: nanodollars, what: nanodollars})

    def add_use(self, nanodollars: int, what: str) -> None:
        """Of device time that was PAID for it is known now what it was for."""
        self._add({BOOKED: nanodollars, what: nanodollars})

    def add_spend(self, tenant: str, model: str, microdollars: Decimal) -> None:
        """A request was priced by the price list; rounded to a nanodollar."""
        amount = int((microdollars * 1000).to_integral_value(ROUND_HALF_EVEN))
        self._add({SPEND: amount, f"{SPEND}/{tenant}": amount, sold(tenant, model): amount})

    def spent(self, period: str, tenant: str | None = None) -> int:
        """Nanodollars by the price list in the `day` or `month` so far, all or one tenant's."""
        return self._sum(period, SPEND if tenant is None else f"{SPEND}/{tenant}")

    def billed(self, period: str) -> int:
        """Nanodollars of device time in the `day` or `month` so far."""
        return self._sum(period, BILL)

    def _sum(self, period: str, what: str) -> int:
        with self._lock:
            name = dict(_names(self._today()))[period]
            return self._sums[period].get(name, Counter())[what]

    def state(self) -> KeptPeriods:
        """What the next process is to be given: the days and months that were booked on last."""
        with self._lock:
            self._today()
            day, month = (_newest(self._settled[period], _KEPT[period]) for period in _KEPT)
            stretches = copies(self._stretches)
            return KeptPeriods(day, month, self._boot, self._ahead, stretches, self._offsets.copy())


def _book(names: dict[str, Counter[str]], name: str, amounts: Mapping[str, int]) -> None:
    # The newest last: `state` keeps those that were booked on last.
    sums = names.pop(name, Counter())
    sums.update(amounts)
    names[name] = sums


def _of(period: str, sums: Mapping[str, int]) -> Mapping[str, int]:
    # Whose it was is asked of a month only (`make bill`), and the file is written every second.
    if period == "month":
        return sums
    return {what: amount for what, amount in sums.items() if not what.startswith(DETAILS)}


def _days_before(day: str) -> str:
    return (datetime.date.fromisoformat(day) - datetime.timedelta(_KEPT["day"])).isoformat()


def _newest(names: Mapping[str, Counter[str]], count: int) -> Sums:
    return {name: dict(sums) for name, sums in list(names.items())[-count:]}


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()


def _names(day: str) -> tuple[tuple[str, str], ...]:
    return ("day", day), ("month", day[:7])
