"""Turns nanoseconds of device time into whole nanodollars, without losing a fraction."""

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
