"""USE of the GPUs by NVML, read beside the scrapes; without an NVIDIA driver there is no series."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.registry import Collector

from server.catalogue import Metric, gpu
from server.signals.hook_errors import guarded
from server.signals.instruments import Family, family, single

_log = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""How often the driver is asked."""
FRESH_SECONDS = 15.0
"""How old a reading may be and still be shown as what is."""
INIT_SECONDS = 2.0
"""How long the start waits for the driver's word that there are GPUs."""
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


class Gpus:
    """Every GPU that NVML shows; what a device does not support is left out, never 0.

    Raises NVMLError or LookupError where there is none.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
        if not count:
            raise LookupError("a driver without a device")
        self._devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._xids = [0] * count
        self._events = self._listen()

    def read(self) -> list[Family]:
        """What the driver says now; raises LookupError where it says nothing of any device."""
        self._drain_events()
        found = [self._family(metric) for metric in gpu.NVML]
        if not any(each.samples for each in found):
            raise LookupError("the driver knows no device any more")
        return found

    def _family(self, metric: Metric) -> Family:
        samples = family(metric)
        for index, device in enumerate(self._devices):
            for labels, value in self._read(metric.name, index, device).items():
                samples.add_metric([str(index), *labels], value)
        return samples

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


class GpuCollector(Collector):
    """Shows the last reading while it is fresh, and how old it is.

    A call into a driver that hangs never returns: it hangs here in a thread of its own, and neither
    the start nor /metrics waits for it.
    """

    def __init__(self, nvml: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._nvml = nvml
        self._clock = clock
        self._reading: tuple[float, Sequence[Family]] = (clock(), ())
        self._initialised = threading.Event()
        self._absent = False
        threading.Thread(target=self._watch, daemon=True, name="gpu").start()

    @property
    def absent(self) -> bool:
        """True where the driver says within INIT_SECONDS that there is none, or no device."""
        self._initialised.wait(INIT_SECONDS)
        return self._absent

    def describe(self) -> list[Family]:
        """The families without samples."""
        return [family(metric) for metric in (*gpu.NVML, gpu.GPU_READ_AGE)]

    def collect(self) -> Iterator[Family]:
        """The reading's age in seconds, and the reading."""
        began, families = self._reading
        age = self._clock() - began
        yield single(gpu.GPU_READ_AGE, age)
        if age <= FRESH_SECONDS:
            yield from families

    def _watch(self) -> None:
        gpus = self._init()
        self._initialised.set()
        while gpus is not None:
            self._read(gpus)
            time.sleep(READ_SECONDS)

    def _init(self) -> Gpus | None:
        try:
            gpus = Gpus(self._nvml)
        except (self._nvml.NVMLError, LookupError) as error:
            self._absent = True
            _log.info("no GPU metrics: %s", type(error).__name__)
            return None
        self._read(gpus)
        return gpus

    def _read(self, gpus: Gpus) -> None:
        with guarded("gpu"):
            began = self._clock()
            self._reading = (began, gpus.read())


def collector() -> GpuCollector | None:
    """The collector of this machine's GPUs, None where there is no driver or no device."""
    import pynvml

    found = GpuCollector(pynvml)
    return None if found.absent else found
