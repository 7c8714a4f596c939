"""An NVML that answers what two H100s would, for tests."""

from types import SimpleNamespace
from typing import Any, ClassVar


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
