"""The ledger: bill = requests + idle + start-up + stall + lost, to the nanodollar, always."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.ledger.accounts import LATE_NS
from server.ledger.bill import Part
from server.ledger.device_ledger import Ledger
from server.ledger.money import NANOSECONDS_PER_HOUR
from server.record.request import Outcome
from server.wire.report import Report, Settlement, decode, encode
from tests.unit.helpers import record
from tests.unit.steps import Engine

PRICE = 3_600_000
"""Microdollars an hour: a second costs a whole number of nanodollars."""
ODD_PRICE = 2_990_017
START_UP = 17 * 10**9
SECOND = 10**9


def nanodollars(nanoseconds: int, price: int = PRICE) -> int:
    """What the time costs, rounded down once."""
    return nanoseconds * price * 1000 // NANOSECONDS_PER_HOUR


def report(cursor: int, settlements: tuple[Settlement, ...] = (), **changes: object) -> Report:
    plain = Report(0, cursor, 0, 0, 0, 0, None, "", settlements)
    return plain._replace(**changes)


def settlement(name: str, nanoseconds: int) -> Settlement:
    return Settlement(name, nanoseconds, 10, 5, 0, 1, 0, 2)


def owner(engine_id: str) -> str:
    return engine_id.split("/")[0]


class Server:
    """The API process around a simulated engine: it hands requests over, ends and records them."""

    def __init__(self, seed: int, ahead: int) -> None:
        self.engine = Engine(seed, ahead, stalls=0.005)
        self.start = self.engine.now - START_UP
        self.ledger = Ledger(self.start, lambda: ODD_PRICE)
        self.dice = random.Random(seed)
        self.open: set[str] = set()
        self.ledger.ready(self.engine.now + SECOND)
        self.engine.now += 2 * SECOND

    def turn(self, arrivals: bool = True) -> None:
        before, reports = set(self.engine.requests), len(self.engine.reports)
        handed = self.engine.now
        self.engine.turn(arrivals)
        ended = {s.request_id for r in self.engine.reports[reports:] for s in r.settlements}
        for name in (set(self.engine.requests) | ended) - before - self.open:
            self.ledger.open(name, lambda: None)
            self.ledger.begin_call(handed)
            self.ledger.end_call(name, [name])
            self.open.add(name)
        for each in self.engine.reports[reports:]:
            self.ledger.receive(decode(encode(each)), owner)
        for name in ended:
            self.end(name)

    def end(self, name: str) -> None:
        outcome = self.dice.choice(list(Outcome))
        ended = record(
            model=self.dice.choice("ab"), tenant=self.dice.choice("xyz"), outcome=outcome
        )
        self.ledger.book(name, ended, self.engine.now)
        self.open.discard(name)

    def check(self) -> None:
        """Hold the whole bill against the clock."""
        books, tables = self.ledger.books, Counter[str]()
        for key, amount in books.items():
            tables[key[0]] += amount
        assert (self.ledger.error, self.ledger.money_error) == (0, 0)
        assert tables["model"] == tables["tenant"] == books["part", Part.REQUESTS]
        now = self.engine.now
        shown, open_ = self.ledger.snapshot(now)
        billed = open_.nanodollars + sum(v for k, v in shown.items() if k[0] == "part")
        assert abs(billed - nanodollars(now - self.start, ODD_PRICE)) <= 1


@pytest.mark.parametrize("ahead", [1, 2])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_parts_are_the_bill_at_every_moment(ahead: int, seed: int) -> None:
    server = Server(seed, ahead)
    for _ in range(300):
        server.turn()
        server.check()


@pytest.mark.parametrize("ahead", [1, 2])
def test_thousands_of_steps_add_up_to_the_nanodollar(ahead: int) -> None:
    server = Server(11, ahead)
    for _ in range(5000):
        server.turn()
    server.engine.abort_all()
    for _ in range(ahead + 2):
        server.turn(arrivals=False)
    now = server.engine.now + SECOND
    server.ledger.close(now, died=False)
    parts = sum(v for k, v in server.ledger.books.items() if k[0] == "part")
    assert parts == nanodollars(now - server.start, ODD_PRICE)
    assert server.ledger.books["part", Part.LOST] == 0
    assert server.ledger.books["part", Part.STALL] > 0


def ready(price: int | None = PRICE) -> Ledger:
    """A ledger whose process started at 0 and was ready at 1 s, as was its engine."""
    ledger = Ledger(0, lambda: price)
    ledger.ready(SECOND)
    ledger.receive(report(SECOND, origin=SECOND), owner)
    return ledger


def test_start_up_is_until_the_server_answers_whenever_the_engine_began() -> None:
    for origin in (SECOND // 2, SECOND, 3 * SECOND):
        ledger = Ledger(0, lambda: PRICE)
        ledger.tick(SECOND // 4)
        ledger.ready(2 * SECOND)
        ledger.tick(3 * SECOND)
        now = 5 * SECOND
        ledger.receive(report(now, origin=origin, idle=now - origin), owner)
        assert ledger.error == 0
        assert ledger.books["part", Part.START_UP] == nanodollars(2 * SECOND)
        assert sum(ledger.books.values()) == nanodollars(now)


def test_idle_is_booked_as_it_passes_and_only_once() -> None:
    ledger = ready()
    ledger.tick(4 * SECOND)
    assert ledger.books["part", Part.IDLE] == nanodollars(3 * SECOND)
    ledger.receive(report(6 * SECOND, origin=SECOND, idle=5 * SECOND), owner)
    assert ledger.error == 0
    assert ledger.books["part", Part.IDLE] == nanodollars(5 * SECOND)


def test_a_report_from_before_the_clock_takes_nothing_back() -> None:
    ledger = ready()
    ledger.tick(4 * SECOND)
    ledger.receive(report(3 * SECOND, origin=SECOND, idle=2 * SECOND), owner)
    assert ledger.error == 0
    ledger.receive(report(9 * SECOND, origin=SECOND, idle=8 * SECOND), owner)
    assert (ledger.error, ledger.books["part", Part.IDLE]) == (0, nanodollars(8 * SECOND))


def test_no_idle_is_booked_while_the_engine_has_a_request() -> None:
    ledger = ready()
    ledger.open("r", lambda: None)
    ledger.begin_call(2 * SECOND)
    ledger.end_call("r", ["r/0"])
    ledger.tick(9 * SECOND)
    assert ledger.books["part", Part.IDLE] == nanodollars(SECOND)
    assert ledger.unrecorded(9 * SECOND).nanodollars == nanodollars(7 * SECOND)
    settled = (settlement("r/0", 7 * SECOND),)
    ledger.receive(report(9 * SECOND, settled, origin=SECOND, idle=SECOND), owner)
    assert ledger.error == 0


def test_a_lost_settlement_shows_as_an_error_to_the_nanosecond() -> None:
    ledger = ready()
    ledger.receive(report(9 * SECOND, (), origin=SECOND, idle=SECOND), owner)
    assert ledger.error == 7 * SECOND


def test_a_settlement_told_twice_shows_as_an_error() -> None:
    ledger = ready()
    twice = (settlement("r", 1000), settlement("r", 1000))
    ledger.receive(report(SECOND + 1000, twice, origin=SECOND), owner)
    assert ledger.error == -1000


def test_a_request_is_the_sum_of_its_engine_requests() -> None:
    ledger = ready()
    changes: list[str] = []
    account = ledger.open("r", lambda: changes.append("r"))
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0", "r/1"])
    ledger.receive(report(3 * SECOND, (settlement("r/0", 2 * SECOND),), origin=SECOND), owner)
    assert ledger.use(account) is None
    ledger.receive(report(4 * SECOND, (settlement("r/1", SECOND),), origin=SECOND), owner)
    used = ledger.use(account)
    assert used is not None
    assert (used.nanoseconds, used.nanodollars) == (3 * SECOND, nanodollars(3 * SECOND))
    assert (used.prefill_tokens, used.decode_tokens, used.model_versions) == (20, 10, (0, 2))
    assert len(changes) == 2


def test_what_is_settled_before_it_is_handed_over_is_not_awaited() -> None:
    ledger = ready()
    account = ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.receive(report(3 * SECOND, (settlement("r/0", 2 * SECOND),), origin=SECOND), owner)
    ledger.end_call("r", ["r/0"])
    assert account.complete
    assert ledger.use(account) is not None


def test_a_late_settlement_is_booked_for_its_model_and_tenant() -> None:
    ledger = ready()
    ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0"])
    ledger.book("r", record(model="m", tenant="t", outcome=Outcome.ABORTED), 2 * SECOND)
    assert ledger.books["part", Part.REQUESTS] == 0
    ledger.receive(report(3 * SECOND, (settlement("r/0", 2 * SECOND),), origin=SECOND), owner)
    expected = nanodollars(2 * SECOND)
    for key in (("part", "requests"), ("model", "m", "aborted"), ("tenant", "t")):
        assert ledger.books[key] == expected


def test_a_settlement_that_never_comes_is_not_awaited_for_ever() -> None:
    ledger = ready()
    ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0"])
    ledger.book("r", record(), 2 * SECOND)
    ledger.tick(3 * SECOND + LATE_NS)
    ledger.tick(4 * SECOND + LATE_NS)
    assert ledger.books["part", Part.IDLE] == nanodollars(3 * SECOND + LATE_NS)


def test_what_nobody_asked_for_is_booked_under_other() -> None:
    ledger = ready()
    stray = (settlement("beam", SECOND),)
    ledger.receive(report(2 * SECOND, stray, origin=SECOND), lambda _: None)
    assert ledger.books["tenant", "other"] == nanodollars(SECOND)
    assert ledger.error == 0


def test_a_dead_engine_leaves_the_loss_visible() -> None:
    ledger = ready()
    account = ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0", "r/1"])
    first = (settlement("r/0", SECOND),)
    ledger.receive(report(4 * SECOND, first, origin=SECOND, open=2 * SECOND), owner)
    ledger.close(6 * SECOND, died=True)
    ledger.book("r", record(outcome=Outcome.SERVER_ERROR), 6 * SECOND)
    assert ledger.use(account) is None
    assert ledger.books["part", Part.REQUESTS] == 0
    assert ledger.books["part", Part.LOST] == pytest.approx(nanodollars(5 * SECOND), abs=1)
    assert sum(ledger.books.values()) == nanodollars(6 * SECOND)


def test_a_meter_that_fails_is_said_and_its_time_is_lost() -> None:
    ledger = ready()
    account = ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0"])
    ledger.receive(report(3 * SECOND, fault="KeyError in _done"), owner)
    assert ledger.fault == "KeyError in _done"
    assert account.complete
    ledger.tick(9 * SECOND)
    assert ledger.books["part", Part.LOST] == nanodollars(8 * SECOND)
    assert ledger.use(account) is None


def test_whoever_listens_and_raises_leaves_no_money_behind() -> None:
    def refuse() -> None:
        raise RuntimeError("who asked")

    ledger = ready()
    ledger.open("r", refuse)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0"])
    both = (settlement("r/0", SECOND), settlement("stray/0", SECOND))
    with pytest.raises(RuntimeError):
        ledger.receive(report(3 * SECOND, both, origin=SECOND), owner)
    assert (ledger.error, ledger.money_error) == (0, 0)
    assert ledger.books["tenant", "other"] == nanodollars(SECOND)


def test_a_settlement_that_was_not_paid_shows_in_the_error() -> None:
    def refuse(_: str) -> str:
        raise RuntimeError("who is that")

    ledger = ready()
    lost = (settlement("r/0", SECOND),)
    with pytest.raises(RuntimeError):
        ledger.receive(report(2 * SECOND, lost, origin=SECOND), refuse)
    assert ledger.error == SECOND


@pytest.mark.parametrize("ends", ["died", "stopped", "fault"])
@given(seed=st.integers(0, 10**6), turns=st.integers(0, 60))
@settings(max_examples=15)
def test_however_it_ends_all_that_was_paid_is_in_the_books(
    ends: str, seed: int, turns: int
) -> None:
    server = Server(seed, ahead=2)
    for _ in range(turns):
        server.turn()
    ledger, now = server.ledger, server.engine.now
    if ends == "fault":
        ledger.receive(report(now, fault="KeyError in _done"), owner)
    ledger.close(now + SECOND, died=ends == "died")
    assert (ledger.money_error, ledger.unrecorded(now + SECOND).settled) == (0, 0)
    parts = sum(amount for key, amount in ledger.books.items() if key[0] == "part")
    assert parts == nanodollars(now + SECOND - server.start, ODD_PRICE)


def test_without_a_price_time_is_known_and_money_is_not() -> None:
    ledger = ready(price=None)
    account = ledger.open("r", lambda: None)
    ledger.begin_call(SECOND)
    ledger.end_call("r", ["r/0"])
    ledger.receive(report(3 * SECOND, (settlement("r/0", 2 * SECOND),), origin=SECOND), owner)
    used = ledger.use(account)
    assert used is not None
    assert (used.nanoseconds, used.nanodollars) == (2 * SECOND, None)
    assert not any(ledger.books.values())
