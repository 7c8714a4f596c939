"""The price file while the server runs: changes are taken up, the past is not rewritten."""

import asyncio
import datetime
import logging
import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from server.pricing import price_file
from server.pricing.price_file import PriceFile, watch
from server.pricing.price_list import today
from tests.unit.helpers import hook_failures, value

VALID = "llm_price_file_valid"
OLD, FUTURE = "2026-01-01", "2999-01-01"
EUR = "rates: [{currency: EUR, from: 2026-01-01, source: s, usd: 1.1}]\n"


def price(amount: str = "1", since: str = OLD, source: str = "s", model: str = "m") -> str:
    amounts = f"input: 1, cached_input: 1, output: {amount}"
    return f"  - {{model: {model}, from: {since}, source: {source}, {amounts}}}\n"


def text(*prices: str, currency: str = "USD", rest: str = "") -> str:
    return f"currency: {currency}\nprices:\n{''.join(prices)}{rest}"


@pytest.fixture
def file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> PriceFile:
    caplog.set_level(logging.INFO)
    path = tmp_path / "prices.yaml"
    path.write_text(text(price(), price(since=FUTURE), rest=EUR))
    return PriceFile(path)


def change(file: PriceFile, content: str) -> bool | None:
    """Write the file in place, with a time of its own however coarse the clock is."""
    before = file.path.stat()
    file.path.write_text(content)
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    return file.refresh()


def put(file: PriceFile, content: str) -> None:
    """Put a new file in its place, whole: a change within one tick of a coarse clock too."""
    new = file.path.with_name("new.yaml")
    new.write_text(content)
    new.replace(file.path)


def output(file: PriceFile, day: datetime.date | None = None) -> Decimal | None:
    found = file.current.model_price("m", day or today())
    return found.output if found else None


def test_an_unchanged_file_is_not_read_again(
    file: PriceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(price_file, "read_prices")
    assert file.refresh() is None
    assert value(VALID) == 1


@pytest.mark.parametrize(
    "content",
    [
        text(price(), price(since=FUTURE), price("2", str(today())), rest=EUR),
        text(price(), price("2", "2026-02-01"), price(since=FUTURE), rest=EUR),
        text(price("3", FUTURE), price(), rest=EUR),
        text(price(), price("2", str(today()), model="other-model"), rest=EUR),
        text(price(), rest=EUR),
    ],
    ids=["new from today", "new from the past", "future edited", "another model", "future removed"],
)
def test_what_leaves_the_past_alone_is_taken_up(
    file: PriceFile, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    before = file.current
    assert change(file, content) is True
    assert file.current != before
    assert [(r.levelname, r.message.split(":")[0]) for r in caplog.records] == [
        ("INFO", "price file read again")
    ]
    assert value(VALID) == 1
    assert file.refresh() is None


def test_a_new_price_counts_from_its_day(file: PriceFile) -> None:
    assert change(file, text(price(), price("2", "2026-06-01"), rest=EUR)) is True
    days = (datetime.date(2026, 5, 31), datetime.date(2026, 6, 1))
    assert [output(file, day) for day in days] == [Decimal(1), Decimal(2)]


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        (text(price("2"), rest=EUR), "prices[0]: output: ", "in force since 2026-01-01 as 1"),
        (text(price(source="t"), rest=EUR), "prices[0]: source: ", "as s: put it back"),
        (text(price(), currency="EUR", rest=EUR), "prices[0]: currency: ", "as USD: put it back"),
        (text(price(since=FUTURE), rest=EUR), "prices: m: ", "from 2026-01-01 is in force"),
        (text(price(since="2026-01-02"), rest=EUR), "prices: m: ", "is in force: put it back"),
        (text(price()), "rates: EUR: ", "is in force: put it back"),
        (text(price(), rest=EUR.replace("1.1", "1.2")), "rates[0]: usd: ", "as 1.1: put it back"),
        (text(price(), price("2"), rest=EUR), "prices[1]: from: ", "delete one of them"),
        (text(price("dear"), rest=EUR), "prices[0]: output: ", "at least 0"),
        ("", "prices: ", "must be a list"),
    ],
    ids=["amount", "source", "default currency", "removed", "date moved", "rate removed",
         "rate edited", "twice", "no number", "emptied"],
)  # fmt: skip
def test_a_bad_change_and_a_rewritten_past_are_refused_by_name(
    file: PriceFile, caplog: pytest.LogCaptureFixture, content: str, where: str, said: str
) -> None:
    before = file.current
    assert change(file, content) is False
    assert file.current is before
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert f"{file.path}: {where}" in line.message
    assert said in line.message
    assert value(VALID) == 0


def test_a_refused_change_is_said_once_and_the_next_one_again(
    file: PriceFile, caplog: pytest.LogCaptureFixture
) -> None:
    bad, worse = text(price("2"), rest=EUR), text(price("dear"), rest=EUR)
    assert change(file, bad) is False
    assert file.refresh() is None
    # Touched, not changed.
    assert change(file, bad) is False
    assert change(file, worse) is False
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert value(VALID) == 0


def test_the_file_put_back_is_valid_again(file: PriceFile) -> None:
    good = file.path.read_text()
    assert change(file, text(price("2"), rest=EUR)) is False
    assert change(file, good) is True
    assert value(VALID) == 1
    assert change(file, text(price("2"), rest=EUR)) is False


def test_a_file_put_in_its_place_is_a_change(file: PriceFile) -> None:
    put(file, text(price(), rest=EUR))
    assert file.refresh() is True


def test_a_file_that_is_gone_is_refused_once(
    file: PriceFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.unlink()
    assert (file.refresh(), file.refresh()) == (False, None)
    assert "cannot be read: No such file" in caplog.text
    assert output(file) == Decimal(1)


def test_an_entry_may_be_edited_until_its_day(
    file: PriceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_file, "today", lambda: datetime.date(2999, 1, 1))
    assert change(file, text(price(), price("3", FUTURE), rest=EUR)) is False


class Watched:
    """A watch that runs while the block does; `changes` counts what it was told of."""

    def __init__(self, file: Any, on_change: Any = None) -> None:
        self.changes = 0
        self._task = asyncio.ensure_future(watch(file, on_change or self._count, interval=0.001))

    def _count(self) -> None:
        self.changes += 1

    async def __aenter__(self) -> "Watched":
        return self

    async def __aexit__(self, *_: object) -> None:
        assert not self._task.done(), "the watch ended by itself"
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def _until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_watch_tells_of_what_was_taken_up_only(file: PriceFile) -> None:
    async with Watched(file) as watched:
        put(file, text(price("2"), rest=EUR))
        await _until(lambda: value(VALID) == 0)
        assert watched.changes == 0
        put(file, text(price(), rest=EUR))
        await _until(lambda: watched.changes == 1)
    assert value(VALID) == 1


async def test_the_watch_goes_on_whatever_raises() -> None:
    calls: list[int] = []

    class Broken:
        def refresh(self) -> bool:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("anything")
            return len(calls) == 2

    def on_change() -> None:
        raise RuntimeError("anything else")

    with hook_failures("prices", 2):
        async with Watched(Broken(), on_change):
            await _until(lambda: len(calls) > 3)


async def test_a_new_day_is_told_of_for_prices_that_begin_on_it(
    file: PriceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Watched(file) as watched:
        await asyncio.sleep(0.02)
        assert watched.changes == 0
        monkeypatch.setattr(price_file, "today", lambda: datetime.date(2999, 1, 1))
        await _until(lambda: watched.changes == 1)
        await asyncio.sleep(0.02)
        assert watched.changes == 1
