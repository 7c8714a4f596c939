"""Which entry counts: by day, by name, by pattern, and by the day's rate, wherever it stands."""

import datetime
import random
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pricing.price_entries import Entry
from server.pricing.price_list import PriceList
from tests.unit.helpers import entry

DAY = datetime.date(2026, 6, 1)


def found(entries: list[Entry] | tuple[Entry, ...], name: str, day: str = "2026-06-01") -> str:
    """The amount of the device's entry that counts, empty without one."""
    amount = PriceList(devices=tuple(entries)).device_price(name, datetime.date.fromisoformat(day))
    return "" if amount is None else str(amount)


@pytest.mark.parametrize(
    ("day", "amount"),
    [("2026-01-31", ""), ("2026-02-01", "1"), ("2026-03-14", "1"), ("2026-03-15", "2"),
     ("2027-01-01", "2")],
)  # fmt: skip
def test_the_newest_entry_valid_on_the_day_counts(day: str, amount: str) -> None:
    both = [entry("m", "2", since="2026-03-15"), entry("m", "1", since="2026-02-01")]
    assert found(both, "m", day) == found(both[::-1], "m", day) == amount


@pytest.mark.parametrize(
    ("pattern", "name", "known"),
    [("Qwen/*", "Qwen/Qwen3-0.6B", True), ("Qwen?", "Qwen3", True), ("Qwen/*", "qwen/x", False),
     ("tiny", "tiny-llama", False), ("*", "anything", True), ("NVIDIA H100*", "NVIDIA H100", True),
     ("m[ab]", "ma", False), ("m[ab]", "m[ab]", True), ("m[a]*", "m[a]x", True), ("?", "", False)],
)  # fmt: skip
def test_patterns_know_two_wildcards_and_nothing_else(pattern: str, name: str, known: bool) -> None:
    assert bool(found([entry(pattern, "1")], name)) is known


@pytest.mark.parametrize(
    ("name", "amount"),
    [("Qwen/Qwen3-8B", "1"), ("Qwen/Qwen3-4B", "2"), ("Qwen/x", "3"), ("x", "4")],
)
def test_exact_beats_long_beats_short_even_when_older(name: str, amount: str) -> None:
    every = [
        entry("Qwen/Qwen3-8B", "1", since="2026-01-01"),
        entry("Qwen/Qwen3*", "2", since="2026-02-01"),
        entry("Qwen/*", "3", since="2026-03-01"),
        entry("*", "4", since="2026-04-01"),
    ]
    assert {found(order, name) for order in permutations(every)} == {amount}


def test_an_exact_name_is_passed_over_until_its_day() -> None:
    both = [entry("m", "1", since="2026-06-02"), entry("*", "2")]
    assert (found(both, "m", "2026-06-01"), found(both, "m", "2026-06-02")) == ("2", "1")


NAMES = st.sampled_from(["m", "mm", "m*", "?", "*", "*m", "m?", "[m]"])
DAYS = st.dates(DAY - datetime.timedelta(3), DAY + datetime.timedelta(3))


@given(
    st.lists(st.tuples(NAMES, DAYS), unique=True),
    NAMES,
    DAYS,
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_file_decides_nothing_and_no_price_comes_early(
    keys: list[tuple[str, datetime.date]], name: str, day: datetime.date, shuffle: random.Random
) -> None:
    entries = [entry(n, str(i), since=str(since)) for i, (n, since) in enumerate(keys)]
    shuffled = entries.copy()
    shuffle.shuffle(shuffled)
    amount = found(entries, name, str(day))
    assert amount == found(shuffled, name, str(day))
    if amount:
        assert entries[int(amount)].since <= day


def test_other_is_never_priced() -> None:
    every = PriceList((entry("*", "1", "1", "1"), entry("other", "1", "1", "1")))
    assert every.model_price("other", DAY) is None
    assert every.model_price("another", DAY) is not None


RATES = (
    entry("EUR", "1.10", since="2026-01-01", currency="EUR"),
    entry("EUR", "1.20", since="2026-03-01", currency="EUR"),
)


@pytest.mark.parametrize(
    ("day", "dollars"), [("2026-02-28", "2.20"), ("2026-03-01", "2.40"), ("2027-01-01", "2.40")]
)
def test_a_price_is_converted_by_the_rate_of_the_day_asked(day: str, dollars: str) -> None:
    prices = PriceList(
        (entry("m", "2", "0", "2", currency="EUR"),), (entry("d", "2", currency="EUR"),), RATES
    )
    date = datetime.date.fromisoformat(day)
    price = prices.model_price("m", date)
    assert price is not None
    assert (price.input, price.cached_input, price.output) == (
        Decimal(dollars), Decimal(0), Decimal(dollars),
    )  # fmt: skip
    assert prices.device_price("d", date) == Decimal(dollars)


def test_dollars_need_no_rate() -> None:
    assert PriceList(devices=(entry("d", "0.1"),)).device_price("d", DAY) == Decimal("0.1")


def test_what_has_no_entry_has_no_price() -> None:
    assert PriceList().model_price("m", DAY) is None
    assert PriceList().device_price("cpu", DAY) is None


@pytest.mark.parametrize("day", ["1970-01-01", "1999-12-31", "2025-12-31"])
def test_nothing_is_free_because_a_clock_was_never_set(day: str) -> None:
    later = [entry("m", "2", since="2026-03-15"), entry("m", "1", since="2026-02-01")]
    assert found(later, "m", day) == "1"
    known = [*later, entry("m", "3", since="2025-06-01"), entry("m", "4", since="2024-06-01")]
    assert found(known, "m", day) == "3"
    assert found(later, "x", day) == ""
