"""GPU metrics over a fake NVML: units, what a device lacks, events; and no GPU at all."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from server import gpu
from server.catalogue.gpu import NVML


class NVMLError(Exception):
    """As pynvml's."""


class Fake:
    """Two H100s; the second lacks ECC and energy, as consumer cards do."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0
    NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 0, 1
    NVML_VOLATILE_ECC = 0
    nvmlEventTypeXidCriticalError = 8  # noqa: N815

    def __init__(self, devices: int = 2, events: bool = True) -> None:
        self.devices = devices
        self.events_work = events
        self.queue: list[int] = []
        self.throttle = 0x01

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.devices:
            raise NVMLError("library not found")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.devices

    def nvmlEventSetWait_v2(self, events: object, timeout: int) -> Any:  # noqa: N802
        assert timeout == 0, "a scrape must not wait"
        if not self.queue:
            raise NVMLError("timeout")
        return SimpleNamespace(device=self.queue.pop(0))

    def nvmlDeviceRegisterEvents(self, device: int, kind: int, events: object) -> None:  # noqa: N802
        if not self.events_work:
            raise NVMLError("not supported")

    def __getattr__(self, name: str) -> Any:
        def answer(device: int = 0, *arguments: int) -> Any:
            if device == 1 and name in self.lacks:
                raise NVMLError("not supported")
            value = self.answers[name]
            return value[arguments[0]] if isinstance(value, list) else value

        if name in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetIndex"):
            return lambda index: index
        if name == "nvmlDeviceGetCurrentClocksEventReasons":
            return lambda device: self.throttle
        return answer

    lacks = ("nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetTotalEnergyConsumption")
    answers: ClassVar[dict[str, Any]] = {
        "nvmlEventSetCreate": "events",
        "nvmlDeviceGetUUID": "GPU-1",
        "nvmlDeviceGetName": "NVIDIA H100",
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=73),
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=60 * 2**30, total=80 * 2**30),
        "nvmlDeviceGetPowerUsage": 412_000,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        "nvmlDeviceGetTemperature": 61,
        "nvmlDeviceGetTotalEnergyConsumption": 5_000_000,
        "nvmlDeviceGetTotalEccErrors": [3, 1],
    }


def read(collector: gpu.GpuCollector) -> dict[tuple[str, ...], float]:
    found = (sample for family in collector.collect() for sample in family.samples)
    return {(s.name, *s.labels.values()): s.value for s in found}


def test_base_units() -> None:
    found = read(gpu.GpuCollector(Fake()))
    assert found["gpu_utilization_ratio", "0"] == 0.73
    assert found["gpu_memory_used_bytes", "0"] == 60 * 2**30
    assert found["gpu_memory_total_bytes", "1"] == 80 * 2**30
    assert found["gpu_power_watts", "0"] == 412.0
    assert found["gpu_power_limit_watts", "0"] == 700.0
    assert found["gpu_temperature_celsius", "0"] == 61
    assert found["gpu_energy_joules_total", "0"] == 5000.0
    assert found["gpu_info", "0", "GPU-1", "NVIDIA H100"] == 1
    assert found["gpu_ecc_errors_total", "0", "corrected"] == 3
    assert found["gpu_ecc_errors_total", "0", "uncorrected"] == 1


def test_every_record_is_read_with_its_labels() -> None:
    collector = gpu.GpuCollector(Fake())
    for metric, family in zip(NVML, collector.collect(), strict=True):
        assert family.name == metric.family
        assert family.type == metric.kind.value
        assert family.samples, metric.name
        assert {tuple(sample.labels) for sample in family.samples} == {metric.labels}


def test_what_a_device_lacks_is_absent_not_zero() -> None:
    found = read(gpu.GpuCollector(Fake()))
    assert ("gpu_energy_joules_total", "1") not in found
    assert ("gpu_ecc_errors_total", "1", "corrected") not in found
    assert found["gpu_power_watts", "1"] == 412.0


def test_throttle_reasons() -> None:
    fake = Fake()
    collector = gpu.GpuCollector(fake)
    assert {v for k, v in read(collector).items() if k[0] == "gpu_throttled"} == {0}
    fake.throttle = 0x44
    found = read(collector)
    held = {k[2] for k, v in found.items() if k[0] == "gpu_throttled" and v}
    assert held == {"sw_power_cap", "hw_thermal"}
    assert len({k for k in found if k[0] == "gpu_throttled"}) == 2 * len(gpu.THROTTLE_REASONS)


def test_xid_events_are_counted_by_device_and_stay() -> None:
    fake = Fake()
    collector = gpu.GpuCollector(fake)
    assert read(collector)["gpu_xid_errors_total", "1"] == 0
    fake.queue = [1, 1, 0]
    assert read(collector)["gpu_xid_errors_total", "1"] == 2
    assert read(collector)["gpu_xid_errors_total", "0"] == 1
    assert fake.queue == []


def test_without_events_there_is_no_xid_series() -> None:
    found = read(gpu.GpuCollector(Fake(events=False)))
    assert not [key for key in found if key[0] == "gpu_xid_errors_total"]


def test_without_a_gpu_there_is_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pynvml", Fake(devices=0))
    assert gpu.collector() is None
    monkeypatch.setitem(sys.modules, "pynvml", Fake(devices=1))
    assert gpu.collector() is not None


def test_the_real_library_has_every_function_that_we_call() -> None:
    import re
    from pathlib import Path

    import pynvml

    called = set(re.findall(r"\b(?:n|nvml)\.((?:nvml|NVML)\w+)", Path(gpu.__file__).read_text()))
    assert len(called) > 15
    assert [name for name in sorted(called) if not hasattr(pynvml, name)] == []
