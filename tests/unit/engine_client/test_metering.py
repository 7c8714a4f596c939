"""Metering: what the devices cost is asked at every report, and looked up when it can change."""

import datetime
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from server.engine_client import metering
from server.engine_client.metering import DevicePrice
from server.pricing.price_list import PriceList
from tests.unit.helpers import entry

DAY = datetime.date(2026, 6, 1)
CONFIG: Any = SimpleNamespace(parallel_config=SimpleNamespace(world_size=2))


class Looked(PriceList):
    """A price list that counts how often it is searched."""

    times = 0

    def device_price(self, device: str, day: datetime.date) -> Any:
        Looked.times += 1
        return super().device_price(device, day)


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> list[datetime.date]:
    """The day of now, which a test can replace."""
    found = [DAY]
    monkeypatch.setattr(metering, "today", lambda: found[-1])
    monkeypatch.setattr(metering, "device_name", lambda: "cpu")
    monkeypatch.setattr(Looked, "times", 0)
    return found


def file(*devices: Any) -> Any:
    return SimpleNamespace(current=Looked(devices=devices))


def test_it_is_the_price_of_all_devices_in_microdollars_an_hour(day: list[datetime.date]) -> None:
    assert DevicePrice(file(entry("cpu", "0.10")), CONFIG)() == 200_000


def test_it_is_looked_up_once_a_list_and_day(day: list[datetime.date]) -> None:
    price = DevicePrice(file(entry("cpu", "0.10")), CONFIG)
    assert {price() for _ in range(100)} == {200_000}
    assert Looked.times == 1


def test_a_new_list_is_in_force_at_the_next_report(day: list[datetime.date]) -> None:
    prices = file(entry("cpu", "0.10"))
    price = DevicePrice(prices, CONFIG)
    before = price()
    prices.current = Looked(devices=(entry("cpu", "0.30"),))
    assert (before, price()) == (200_000, 600_000)


def test_an_entry_is_in_force_from_its_day_on(day: list[datetime.date]) -> None:
    price = DevicePrice(
        file(entry("cpu", "0.10"), entry("cpu", "0.20", since="2026-06-02")), CONFIG
    )
    before = price()
    day.append(DAY + datetime.timedelta(1))
    assert (before, price()) == (200_000, 400_000)


def test_an_unknown_device_has_no_price_and_that_is_said_once(
    day: list[datetime.date], caplog: pytest.LogCaptureFixture
) -> None:
    price = DevicePrice(file(), CONFIG)
    with caplog.at_level(logging.WARNING, logger="server.engine_client.metering"):
        assert price() is None
        day.append(DAY + datetime.timedelta(1))
        assert price() is None
    assert [record.args for record in caplog.records] == [("cpu",)]
