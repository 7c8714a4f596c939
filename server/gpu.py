"""USE of the GPUs by NVML, read at each scrape; without an NVIDIA driver there is no series."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.registry import Collector

from server.catalogue import gpu
from server.metrics import Family, family

_log = logging.getLogger(__name__)

THROTTLE_REASONS = {
    "sw_power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""NVML's clock event bits that cost speed; idle and clocks set by an operator are none."""
_MOST_EVENTS = 64

Samples = Mapping[tuple[str, ...], float]


class GpuCollector(Collector):
    """Every GPU that NVML shows; what a device does not support is left out, never 0."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
        self._devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._xids = [0] * count
        self._events = self._listen()

    def describe(self) -> list[Family]:
        """The families without samples."""
        return [family(metric) for metric in gpu.NVML]

    def collect(self) -> Iterator[Family]:
        """What the driver says now."""
        self._drain_events()
        for metric in gpu.NVML:
            samples = family(metric)
            for index, device in enumerate(self._devices):
                for labels, value in self._read(metric.name, index, device).items():
                    samples.add_metric([str(index), *labels], value)
            yield samples

    def _read(self, name: str, index: int, device: Any) -> Samples:
        if name == gpu.GPU_XID_ERRORS.name:
            return {(): self._xids[index]} if self._events is not None else {}
        try:
            return _READERS[name](self._nvml, device)
        except self._nvml.NVMLError:
            return {}

    def _listen(self) -> Any:
        try:
            events = self._nvml.nvmlEventSetCreate()
            for device in self._devices:
                kind = self._nvml.nvmlEventTypeXidCriticalError
                self._nvml.nvmlDeviceRegisterEvents(device, kind, events)
        except self._nvml.NVMLError:
            return None
        return events

    def _drain_events(self) -> None:
        for _ in range(_MOST_EVENTS if self._events is not None else 0):
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._events, 0)
                self._xids[self._nvml.nvmlDeviceGetIndex(event.device)] += 1
            except self._nvml.NVMLError:
                return


def _one(read: Callable[[Any, Any], float]) -> Callable[[Any, Any], Samples]:
    return lambda nvml, device: {(): read(nvml, device)}


def _info(nvml: Any, device: Any) -> Samples:
    return {(nvml.nvmlDeviceGetUUID(device), nvml.nvmlDeviceGetName(device)): 1}


def _throttled(nvml: Any, device: Any) -> Samples:
    bits = nvml.nvmlDeviceGetCurrentClocksEventReasons(device)
    return {(reason,): bool(bits & bit) for reason, bit in THROTTLE_REASONS.items()}


def _ecc(nvml: Any, device: Any) -> Samples:
    kinds = {
        "corrected": nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
        "uncorrected": nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
    }
    since_load = nvml.NVML_VOLATILE_ECC
    return {
        (name,): nvml.nvmlDeviceGetTotalEccErrors(device, kind, since_load)
        for name, kind in kinds.items()
    }


_READERS: dict[str, Callable[[Any, Any], Samples]] = {
    gpu.GPU_INFO.name: _info,
    gpu.GPU_UTILIZATION.name: _one(lambda n, d: n.nvmlDeviceGetUtilizationRates(d).gpu / 100),
    gpu.GPU_MEMORY_USED.name: _one(lambda n, d: n.nvmlDeviceGetMemoryInfo(d).used),
    gpu.GPU_MEMORY_TOTAL.name: _one(lambda n, d: n.nvmlDeviceGetMemoryInfo(d).total),
    gpu.GPU_POWER.name: _one(lambda n, d: n.nvmlDeviceGetPowerUsage(d) / 1e3),
    gpu.GPU_POWER_LIMIT.name: _one(lambda n, d: n.nvmlDeviceGetEnforcedPowerLimit(d) / 1e3),
    gpu.GPU_TEMPERATURE.name: _one(
        lambda n, d: n.nvmlDeviceGetTemperature(d, n.NVML_TEMPERATURE_GPU)
    ),
    gpu.GPU_ENERGY.name: _one(lambda n, d: n.nvmlDeviceGetTotalEnergyConsumption(d) / 1e3),
    gpu.GPU_THROTTLED.name: _throttled,
    gpu.GPU_ECC_ERRORS.name: _ecc,
}


def collector() -> GpuCollector | None:
    """The collector of this machine's GPUs, None where there is no driver or no device."""
    import pynvml

    try:
        found = GpuCollector(pynvml)
    except pynvml.NVMLError as error:
        _log.info("no GPU metrics: %s", type(error).__name__)
        return None
    return found
