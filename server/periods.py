"""Spend of this day and this month (UTC), exact over restarts: what budgets are held against.

Prometheus has no calendar: increase() over 24 hours is not today, and over 30 days no month.
"""

import datetime
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from server import prices

SPEND, BILL = "spend", "bill"


class Periods:
    """Nanodollars since 0:00 UTC and since the first of the month; may be used by any thread.

    `kept` is what `state` returned in an earlier process: it counts on where its day or month
    still lasts.
    """

    def __init__(
        self, kept: Mapping[str, Any], today: Callable[[], datetime.date] = prices.today
    ) -> None:
        self._lock = threading.Lock()
        self._today = today
        self._names = {"day": "", "month": ""}
        self._sums: dict[str, Counter[str]] = {"day": Counter(), "month": Counter()}
        self._turn()
        for period, name in self._names.items():
            found = kept.get(period)
            if isinstance(found, Mapping) and found.get("name") == name:
                self._sums[period].update({k: int(v) for k, v in found["sums"].items()})

    def _turn(self) -> None:
        today = self._today().isoformat()
        for period, name in (("day", today), ("month", today[:7])):
            if self._names[period] != name:
                self._names[period] = name
                self._sums[period] = Counter()

    def _add(self, name: str, nanodollars: int) -> None:
        with self._lock:
            self._turn()
            for sums in self._sums.values():
                sums[name] += nanodollars

    def add_bill(self, nanodollars: int) -> None:
        """Device time passed."""
        self._add(BILL, nanodollars)

    def add_spend(self, tenant: str, microdollars: Decimal) -> None:
        """A request was priced by the price list; rounded to a nanodollar."""
        amount = int((microdollars * 1000).to_integral_value(ROUND_HALF_EVEN))
        self._add(SPEND, amount)
        self._add(f"{SPEND}/{tenant}", amount)

    def spent(self, period: str, tenant: str | None = None) -> int:
        """Nanodollars by the price list in the `day` or `month` so far, all or one tenant's."""
        return self._sum(period, SPEND if tenant is None else f"{SPEND}/{tenant}")

    def billed(self, period: str) -> int:
        """Nanodollars of device time in the `day` or `month` so far."""
        return self._sum(period, BILL)

    def _sum(self, period: str, name: str) -> int:
        with self._lock:
            self._turn()
            return self._sums[period][name]

    def state(self) -> dict[str, Any]:
        """What the next process is to be given, as JSON can hold it."""
        with self._lock:
            self._turn()
            return {
                period: {"name": name, "sums": dict(self._sums[period])}
                for period, name in self._names.items()
            }
