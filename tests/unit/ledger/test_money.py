"""Money: whole nanodollars for any time at any price, and all that is paid is booked or awaited."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.ledger.bill import BILL, BOOKED, KNOWN, PAID, Books, Part
from server.ledger.calendar import Periods
from server.ledger.money import NANOSECONDS_PER_HOUR, Purse, Till
from server.record.request import Outcome
from tests.unit.helpers import record

TIME, PRICE = st.integers(0, 10**12), st.none() | st.integers(0, 10**8)
UNUSED = st.sampled_from([part for part in Part if part is not Part.REQUESTS])


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**8)), max_size=50))
def test_a_purse_loses_no_fraction(payments: list[tuple[int, int]]) -> None:
    purse = Purse()
    paid = sum(purse.pay(time, price) for time, price in payments)
    exact = sum(time * price for time, price in payments)
    assert paid == exact * 1000 // NANOSECONDS_PER_HOUR


class Business:
    """A till, and what stands on the accounts of requests that are not recorded yet."""

    def __init__(self) -> None:
        self.price: int | None = 2_990_017
        self.periods = Periods(None, lambda: 1.8e9, lambda: 1.0, "boot")
        carried: Books = Counter({("part", Part.IDLE): 77, ("tenant", "old"): 5})
        self.till = Till(lambda: self.price, self.periods, carried)
        self.accounts: list[int] = []
        self.exact = 0

    def change_price(self, price: int | None) -> None:
        self.price = price
        self.till.refresh()

    def settle(self, nanoseconds: int) -> None:
        self.exact += nanoseconds * (self.price or 0)
        self.accounts.append(self.till.pay(nanoseconds))

    def pass_time(self, part: Part, nanoseconds: int) -> None:
        self.exact += nanoseconds * (self.price or 0)
        self.till.pay_part(part, nanoseconds)

    def record(self, tenant: str, outcome: Outcome) -> None:
        if self.accounts:
            ended = record(model="m", tenant=tenant, outcome=outcome)
            self.till.book_request(self.accounts.pop(), ended)

    def book_stray(self) -> None:
        if self.accounts:
            self.till.book_stray(self.accounts.pop())

    def lose(self) -> None:
        while self.accounts:
            self.till.book_lost(self.accounts.pop())

    def booked(self, table: str) -> int:
        books, carried = self.till.books, self.till.carried
        return sum(amount - carried[key] for key, amount in books.items() if key[0] == table)


EVENTS = st.one_of(
    st.tuples(st.just("change_price"), PRICE),
    st.tuples(st.just("settle"), TIME),
    st.tuples(st.just("pass_time"), UNUSED, TIME),
    st.tuples(st.just("record"), st.sampled_from("xyz"), st.sampled_from(Outcome)),
    st.tuples(st.just("book_stray")),
    st.tuples(st.just("lose")),
)


@st.composite
def businesses(draw: st.DrawFn) -> Business:
    """A till after any dealings."""
    business = Business()
    for name, *given_ in draw(st.lists(EVENTS, max_size=40)):
        getattr(business, name)(*given_)
    return business


@given(businesses())
def test_all_that_was_paid_is_booked_or_stands_on_an_account(business: Business) -> None:
    till, open_ = business.till, sum(business.accounts)
    assert till.error(open_) == 0
    assert business.booked("part") + open_ == business.exact * 1000 // NANOSECONDS_PER_HOUR
    assert business.periods.billed("day") == business.booked("part") + open_
    assert business.booked("model") == business.booked("tenant")
    assert business.booked("model") == till.books["part", Part.REQUESTS]


@given(businesses())
def test_a_month_tells_what_all_of_its_bill_was_for(business: Business) -> None:
    (stretch,) = business.periods.state().stretches or ({},)
    sums = Counter(stretch.sums if stretch else {})
    uses = sum(amount for what, amount in sums.items() if what.startswith(("part/", "used/")))
    open_ = sum(business.accounts)
    assert sums[BILL] == sums[KNOWN] == uses + open_
    assert sums[PAID] - sums[BOOKED] == open_
    of_requests = sum(amount for what, amount in sums.items() if what.startswith("used/"))
    assert of_requests == business.till.books["part", Part.REQUESTS]


@given(businesses(), UNUSED, st.integers(1, 10**9))
def test_what_is_booked_twice_or_not_at_all_is_the_error(
    business: Business, part: Part, amount: int
) -> None:
    open_ = sum(business.accounts)
    business.till.books["part", part] += amount
    assert business.till.error(open_) == -amount
    business.till.books["part", part] -= 2 * amount
    assert business.till.error(open_) == amount


@given(businesses(), TIME)
def test_an_estimate_pays_nothing(business: Business, nanoseconds: int) -> None:
    before = business.booked("part")
    expected = nanoseconds * (business.price or 0) * 1000 // NANOSECONDS_PER_HOUR
    assert business.till.estimate(nanoseconds) == expected
    assert business.till.error(sum(business.accounts)) == 0
    assert business.booked("part") == before
