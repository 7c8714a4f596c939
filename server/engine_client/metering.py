"""Joins the meter in the engine core and the ledger in the API process, where that is possible."""

import datetime
import logging

from vllm.config import VllmConfig

from server.engine_core.metered_scheduler import (
    MeteredAsyncScheduler,
    MeteredScheduler,
    device_name,
)
from server.pricing.price_file import PriceFile
from server.pricing.price_list import PriceList, today

_log = logging.getLogger(__name__)


def meter(config: VllmConfig) -> bool:
    """Have the engine core measure; False, said once, where vLLM runs another scheduler."""
    scheduler = config.scheduler_config
    if scheduler.scheduler_cls is not None:
        _log.warning(
            "no cost by device time: %s is not vLLM's own scheduler, so it is not known who is in "
            "which step",
            scheduler.scheduler_cls,
        )
        return False
    chosen = MeteredAsyncScheduler if scheduler.async_scheduling else MeteredScheduler
    scheduler.scheduler_cls = f"{chosen.__module__}.{chosen.__name__}"
    _log.info("steps are metered by %s", chosen.__name__)
    return True


class DevicePrice:
    """Microdollars an hour of all the engine's devices, by the price list and the day of now.

    None, said once, where the price file does not know the device.
    """

    def __init__(self, prices: PriceFile, config: VllmConfig) -> None:
        self._prices = prices
        self._device, self._count = device_name(), int(config.parallel_config.world_size)
        self._warned = False
        self._asked: tuple[PriceList, datetime.date] | None = None
        self._answer: int | None = None

    def __call__(self) -> int | None:
        """The price; asked at every report of the engine, looked up once a list and day."""
        prices, day = self._prices.current, today()
        if self._asked is None or self._asked[0] is not prices or self._asked[1] != day:
            self._answer, self._asked = self._look_up(prices, day), (prices, day)
        return self._answer

    def _look_up(self, prices: PriceList, day: datetime.date) -> int | None:
        found = prices.device_price(self._device, day)
        if found is not None:
            return int((found * self._count * 10**6).to_integral_value())
        if not self._warned:
            self._warned = True
            _log.warning(
                "no cost by device time: add a price of '%s' to the price file", self._device
            )
        return None
