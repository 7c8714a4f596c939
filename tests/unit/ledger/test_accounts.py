"""Accounts: what was settled is on one account until it leaves, and each leaves once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.ledger.accounts import LATE_NS, Account, Accounts
from server.wire.report import Settlement
from tests.unit.helpers import record

NAMES = st.sampled_from("ab")
NUMBERS = st.integers(0, 1)


def engine_id(name: str, number: int) -> str:
    return f"{name}/{number}"


class Desk:
    """Keeps accounts, and beside them in the plainest way what must come out."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.now = self.paid = self.left = self.stray = self.given_up = 0
        self.calls = 0
        self.opened: dict[str, Account] = {}
        self.gone: list[Account] = []

    def open(self, name: str) -> None:
        if name not in self.opened:
            self.opened[name] = self.accounts.open(name, lambda: None)

    def begin_call(self) -> None:
        self.accounts.begin_call()
        self.calls += 1

    def serve(self, name: str, numbers: list[int]) -> None:
        self.open(name)
        self.begin_call()
        self.end_call(name, numbers)

    def end_call(self, name: str, numbers: list[int]) -> None:
        if self.calls:
            self.calls -= 1
            self.accounts.end_call(name, [engine_id(name, number) for number in numbers])

    def settle(self, name: str, number: int, nanodollars: int) -> None:
        self.paid += nanodollars
        settled = Settlement(engine_id(name, number), 1, 1, 1, 0, 1, 0, 0)
        account = self.accounts.settle(settled, name, nanodollars)
        if account is None:
            assert name not in self.opened
            self.stray += nanodollars
            return
        assert account is self.opened[name]
        if account.complete and account.record is not None:
            self._leaves(account)

    def record(self, name: str) -> None:
        account = self.accounts.record(name, record(), self.now)
        if account is not None:
            assert account.complete
            self._leaves(account)

    def wait(self, nanoseconds: int) -> None:
        self.now += nanoseconds
        for account in self.accounts.late(self.now):
            assert self.now - account.recorded > LATE_NS
            self._leaves(account)
        for account in self.opened.values():
            assert account.record is None or self.now - account.recorded <= LATE_NS

    def give_up(self) -> None:
        nanodollars, accounts = self.accounts.give_up()
        self.given_up += nanodollars
        assert {id(each) for each in accounts} == {id(each) for each in self.opened.values()}
        self.opened = {n: each for n, each in self.opened.items() if each.record is None}

    def _leaves(self, account: Account) -> None:
        assert account.record is not None
        (name,) = (name for name, each in self.opened.items() if each is account)
        del self.opened[name]
        self.gone.append(account)
        self.left += account.nanodollars

    def check(self) -> None:
        assert self.paid == self.accounts.nanodollars + self.left + self.stray + self.given_up
        assert self.accounts.empty == (not self.opened)
        awaited = sum(len(account.awaited) for account in self.opened.values())
        assert self.accounts.busy == bool(self.calls or awaited)
        assert not any(each.awaited & each.settled.keys() for each in self.opened.values())
        assert all(each.record is None or each.awaited for each in self.opened.values())
        assert max(Counter(map(id, self.gone)).values(), default=1) == 1


EVENTS = st.one_of(
    st.tuples(st.just("begin_call")),
    st.tuples(st.sampled_from(["open", "record"]), NAMES),
    st.tuples(st.sampled_from(["serve", "end_call"]), NAMES, st.lists(NUMBERS, max_size=2)),
    st.tuples(st.just("settle"), NAMES, NUMBERS, st.integers(1, 10**9)),
    st.tuples(st.just("wait"), st.integers(0, LATE_NS)),
    st.tuples(st.just("give_up")),
)


@given(st.lists(EVENTS, min_size=20, max_size=80))
def test_what_was_settled_is_on_one_account_until_it_leaves(
    events: list[tuple[str, object]],
) -> None:
    desk = Desk()
    for name, *given_ in events:
        getattr(desk, name)(*given_)
        desk.check()


@given(st.lists(EVENTS, max_size=60))
def test_once_all_are_recorded_and_time_has_passed_nothing_is_awaited(
    events: list[tuple[str, object]],
) -> None:
    desk = Desk()
    for name, *given_ in events:
        getattr(desk, name)(*given_)
    for name in tuple(desk.opened):
        desk.record(name)
    desk.wait(LATE_NS + 1)
    desk.check()
    assert desk.accounts.empty
    assert desk.accounts.nanodollars == 0
    assert desk.accounts.busy == bool(desk.calls)
