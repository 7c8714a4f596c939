"""Turns nanoseconds of device time into whole nanodollars, without losing a fraction."""

from collections.abc import Callable

from server.ledger.calendar import Periods

NANOSECONDS_PER_HOUR = 3_600_000_000_000
_PER_NANODOLLAR = NANOSECONDS_PER_HOUR // 1000
"""1 µ$ per hour x ns: this many make a nanodollar."""


class Purse:
    """Pays for device time; the fraction of a nanodollar that is left over goes to the next one.

    So any number of payments sums to the price of their whole time, rounded down once.
    """

    def __init__(self) -> None:
        self._rest = 0

    def pay(self, nanoseconds: int, microdollars_per_hour: int) -> int:
        """Whole nanodollars for the time at a price."""
        amount, self._rest = divmod(
            nanoseconds * microdollars_per_hour + self._rest, _PER_NANODOLLAR
        )
        return amount


class Till:
    """A purse that pays the price of now, and tells the periods what was paid.

    `price` is microdollars an hour for all devices, None where none is known: then nothing is paid.
    """

    def __init__(self, price: Callable[[], int | None], periods: Periods | None) -> None:
        self.price = price
        self.rate = price()
        self._purse = Purse()
        self._periods = periods

    def refresh(self) -> None:
        """Ask for the price again."""
        self.rate = self.price()

    def pay(self, nanoseconds: int) -> int:
        """Whole nanodollars for the time."""
        amount = self._purse.pay(nanoseconds, self.rate or 0)
        if self._periods is not None:
            self._periods.add_bill(amount)
        return amount
