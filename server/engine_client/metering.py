"""Joins the meter in the engine core and the ledger in the API process, where that is possible."""

import logging
from collections.abc import Callable

from vllm.config import VllmConfig

from server.engine_core.metered_scheduler import (
    MeteredAsyncScheduler,
    MeteredScheduler,
    device_name,
)
from server.pricing.price_file import PriceFile
from server.pricing.price_list import today

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


def device_price(prices: PriceFile, config: VllmConfig) -> Callable[[], int | None]:
    """Microdollars an hour of all the engine's devices, asked anew at each call.

    None, said once, where the price file does not know the device.
    """
    device, count = device_name(), int(config.parallel_config.world_size)
    warned = False

    def price() -> int | None:
        nonlocal warned
        found = prices.current.device_price(device, today())
        if found is None:
            if not warned:
                warned = True
                _log.warning(
                    "no cost by device time: add a price of '%s' to the price file", device
                )
            return None
        return int((found * count * 10**6).to_integral_value())

    return price
