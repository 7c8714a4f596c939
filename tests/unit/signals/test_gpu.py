"""GPU metrics over a fake NVML: units, what a device lacks, events; and no GPU at all."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from server.catalogue.gpu import NVML
from server.signals import nvml
from tests.unit.fake_nvml import Fake, NVMLError
from tests.unit.helpers import delta


def read(collector: nvml.Gpus) -> dict[tuple[str, ...], float]:
    found = (sample for family in collector.read() for sample in family.samples)
    return {(s.name, *s.labels.values()): s.value for s in found}


def test_base_units() -> None:
    found = read(nvml.Gpus(Fake()))
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
    collector = nvml.Gpus(Fake())
    for metric, family in zip(NVML, collector.read(), strict=True):
        assert family.name == metric.family
        assert family.type == metric.kind.value
        assert family.samples, metric.name
        assert {tuple(sample.labels) for sample in family.samples} == {metric.labels}


def test_what_a_device_lacks_is_absent_not_zero() -> None:
    found = read(nvml.Gpus(Fake()))
    assert ("gpu_energy_joules_total", "1") not in found
    assert ("gpu_ecc_errors_total", "1", "corrected") not in found
    assert found["gpu_power_watts", "1"] == 412.0


def test_throttle_reasons() -> None:
    fake = Fake()
    collector = nvml.Gpus(fake)
    assert {v for k, v in read(collector).items() if k[0] == "gpu_throttled"} == {0}
    fake.throttle = 0x44
    found = read(collector)
    held = {k[2] for k, v in found.items() if k[0] == "gpu_throttled" and v}
    assert held == {"sw_power_cap", "hw_thermal"}
    assert len({k for k in found if k[0] == "gpu_throttled"}) == 2 * len(nvml.THROTTLE_REASONS)


def test_xid_events_are_counted_by_device_and_stay() -> None:
    fake = Fake()
    collector = nvml.Gpus(fake)
    assert read(collector)["gpu_xid_errors_total", "1"] == 0
    fake.queue = [1, 1, 0]
    assert read(collector)["gpu_xid_errors_total", "1"] == 2
    assert read(collector)["gpu_xid_errors_total", "0"] == 1
    assert fake.queue == []


def test_without_events_there_is_no_xid_series() -> None:
    found = read(nvml.Gpus(Fake(events=False)))
    assert not [key for key in found if key[0] == "gpu_xid_errors_total"]


def test_without_a_gpu_there_is_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Fake(devices=0))
    assert nvml.collector() is None
    monkeypatch.setitem(sys.modules, "pynvml", Fake(devices=1))
    assert nvml.collector() is not None


def test_a_driver_without_a_device_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(devices=1)
    monkeypatch.setattr(fake, "nvmlDeviceGetCount", lambda: 0, raising=False)
    assert nvml.GpuCollector(fake).absent


class Hanging(Fake):
    """A driver whose calls of this name do not return until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.go = threading.Event()
        inner = getattr(self, name)

        def hang(*arguments: Any) -> Any:
            self.go.wait()
            return inner(*arguments)

        setattr(self, name, hang)


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetPowerUsage"])
def test_a_driver_that_hangs_at_the_start_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(nvml, "INIT_SECONDS", 0.05)
    fake, now = Hanging(call), [100.0]
    collector = nvml.GpuCollector(fake, lambda: now[0])
    assert not collector.absent
    now[0] += 7
    assert shown(collector) == {"llm_gpu_read_age_seconds": 7.0}
    fake.go.set()
    assert eventually(lambda: "gpu_power_watts" in shown(collector))


def test_a_reading_is_shown_while_it_is_fresh_and_its_age_always() -> None:
    now = [100.0]
    collector = nvml.GpuCollector(Fake(), lambda: now[0])
    assert not collector.absent
    for age, is_shown in ((0.0, True), (15.0, True), (15.1, False), (500.0, False)):
        now[0] = 100.0 + age
        found = shown(collector)
        assert found["llm_gpu_read_age_seconds"] == pytest.approx(age)
        assert ("gpu_power_watts" in found) is is_shown
        assert len(found) > 5 or not is_shown


def test_readings_go_on_by_themselves_and_over_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "READ_SECONDS", 0.01)
    fake = Fake()
    collector = nvml.GpuCollector(fake)
    assert not collector.absent
    fake.answers = {**Fake.answers, "nvmlDeviceGetTemperature": 77}
    assert eventually(lambda: shown(collector)["gpu_temperature_celsius"] == 77)
    counted = delta("llm_observer_errors_total", hook="gpu")
    # A text where a number belongs is no NVMLError.
    fake.answers = {**Fake.answers, "nvmlDeviceGetPowerUsage": "much"}
    assert eventually(lambda: counted() > 0)
    fake.answers = {**Fake.answers, "nvmlDeviceGetTemperature": 66}
    assert eventually(lambda: shown(collector)["gpu_temperature_celsius"] == 66)


def test_a_driver_that_lost_its_devices_gives_no_reading() -> None:
    fake = Fake(events=False)
    found = nvml.Gpus(fake)

    def lost(*_: Any) -> Any:
        raise NVMLError("GPU is lost")

    for name in set(Fake.answers) - {"nvmlEventSetCreate"}:
        setattr(fake, name, lost)
    fake.nvmlDeviceGetCurrentClocksEventReasons = lost  # type: ignore[method-assign]
    with pytest.raises(LookupError):
        found.read()


def shown(collector: nvml.GpuCollector) -> dict[str, float]:
    """One value of each metric that a scrape shows."""
    return {s.name: s.value for family in collector.collect() for s in family.samples}


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_the_real_library_has_every_function_that_we_call() -> None:
    import re
    from pathlib import Path

    import pynvml

    called = set(re.findall(r"\b(?:n|nvml)\.((?:nvml|NVML)\w+)", Path(nvml.__file__).read_text()))
    assert len(called) > 15
    assert [name for name in sorted(called) if not hasattr(pynvml, name)] == []
