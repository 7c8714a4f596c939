"""Turns nanoseconds of device time into whole nanodollars, and books them; no fraction is lost."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from server.ledger.bill import PAID, Books, Key, Part, part, used
from server.ledger.calendar import Periods
from server.record.request import RequestRecord

NANOSECONDS_PER_HOUR = 3_600_000_000_000
_PER_NANODOLLAR = NANOSECONDS_PER_HOUR // 1000
"""1 µ$ per hour x ns: this many make a nanodollar."""


class Open(NamedTuple):
    """Nanodollars of requests that are not recorded yet; of what is `settled` the periods know."""

    settled: int
    unsettled: int

    @property
    def nanodollars(self) -> int:
        """All of it."""
        return self.settled + self.unsettled


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
    """Pays the price of now, tells the periods, and keeps the books of what it was for.

    `price` is microdollars an hour for all devices, None where none is known: then nothing is paid.
    The books go on from `carried`. What requests used is paid when it is settled and booked when
    they are recorded: in between it stands on their accounts. `nanoseconds` is all time paid for.
    """

    def __init__(
        self,
        price: Callable[[], int | None],
        periods: Periods | None = None,
        carried: Mapping[Key, int] | None = None,
    ) -> None:
        self._price = price
        self.rate = price()
        self._purse = Purse()
        self._periods = periods
        self._paid = 0
        self.nanoseconds = 0
        self.carried: Books = Counter(carried)
        self.books: Books = Counter(carried)

    def refresh(self) -> None:
        """Ask for the price again."""
        self.rate = self._price()

    def pay(self, nanoseconds: int) -> int:
        """Whole nanodollars for the time of a request; they are to be booked yet."""
        return self._pay(nanoseconds, PAID)

    def _pay(self, nanoseconds: int, what: str) -> int:
        amount = self._purse.pay(nanoseconds, self.rate or 0)
        self._paid += amount
        self.nanoseconds += nanoseconds
        if self._periods is not None:
            self._periods.add_bill(amount, what)
        return amount

    def pay_part(self, what: Part, nanoseconds: int) -> None:
        """Pay for time that no request used, and book it."""
        self.books["part", what] += self._pay(nanoseconds, part(what))

    def book_request(self, nanodollars: int, record: RequestRecord) -> None:
        """Book what a request was settled at."""
        self._book(nanodollars, record.model, record.outcome.value, record.tenant)

    def book_stray(self, nanodollars: int) -> None:
        """Book an engine request of no HTTP request that we know: nobody's, but not nothing."""
        self._book(nanodollars, "other", "ok", "other")

    def _book(self, nanodollars: int, model: str, outcome: str, tenant: str) -> None:
        self.books["part", Part.REQUESTS] += nanodollars
        self.books["model", model, outcome] += nanodollars
        self.books["tenant", tenant] += nanodollars
        self._tell_use(nanodollars, used(tenant, model))

    def book_lost(self, nanodollars: int) -> None:
        """Book what was settled of requests that will never be known whole."""
        self.books["part", Part.LOST] += nanodollars
        self._tell_use(nanodollars, part(Part.LOST))

    def _tell_use(self, nanodollars: int, what: str) -> None:
        if self._periods is not None:
            self._periods.add_use(nanodollars, what)

    def estimate(self, nanoseconds: int) -> int:
        """What the time would cost if it were settled now."""
        return Purse().pay(nanoseconds, self.rate or 0)

    def error(self, nanodollars: int) -> int:
        """All that was paid less all that was booked and what stands on accounts: 0, always."""
        booked = sum(self.books["part", each] - self.carried["part", each] for each in Part)
        return self._paid - booked - nanodollars
