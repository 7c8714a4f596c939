"""The GPU's metrics: ours by NVML, dcgm-exporter's under the names that NVIDIA gave them."""

from server.catalogue.record import Kind, Method, Metric

_ABSENT = "there is no NVIDIA GPU, or its driver does not support it"
_NO_DCGM = "only the GPU profile of compose.yaml runs dcgm-exporter"


def _nvml(name: str, kind: Kind, unit: str, text: str, *labels: str, unused: str = "") -> Metric:
    every = ("gpu", *labels)
    return Metric(name, kind, unit, text, Method.USE, every, absent=_ABSENT, unused=unused)


def _dcgm(name: str, kind: Kind, unit: str, text: str) -> Metric:
    absent, source = _NO_DCGM, "dcgm-exporter"
    return Metric(name, kind, unit, text, Method.USE, ("gpu",), source=source, absent=absent)


GPU_INFO = _nvml(
    "gpu_info",
    Kind.GAUGE,
    "1",
    "Always 1; which device `gpu` is.",
    "uuid",
    "name",
    unused="it is for people who look up an index",
)
GPU_UTILIZATION = _nvml(
    "gpu_utilization_ratio", Kind.GAUGE, "ratio", "Share of the last second with a kernel running."
)
GPU_MEMORY_USED = _nvml("gpu_memory_used_bytes", Kind.GAUGE, "bytes", "Memory in use.")
GPU_MEMORY_TOTAL = _nvml("gpu_memory_total_bytes", Kind.GAUGE, "bytes", "Memory of the device.")
GPU_POWER = _nvml("gpu_power_watts", Kind.GAUGE, "watts", "Power drawn.")
GPU_POWER_LIMIT = _nvml(
    "gpu_power_limit_watts",
    Kind.GAUGE,
    "watts",
    "Power limit in force.",
    unused="a board shows the power drawn, and throttling where it matters",
)
GPU_TEMPERATURE = _nvml("gpu_temperature_celsius", Kind.GAUGE, "celsius", "Core temperature.")
GPU_ENERGY = _nvml(
    "gpu_energy_joules_total", Kind.COUNTER, "joules", "Energy used since the driver was loaded."
)
GPU_THROTTLED = _nvml(
    "gpu_throttled", Kind.GAUGE, "1", "1 while clocks are held down for the reason.", "reason"
)
GPU_ECC_ERRORS = _nvml(
    "gpu_ecc_errors_total",
    Kind.COUNTER,
    "errors",
    "Memory errors since the driver was loaded: corrected, or uncorrected (data was lost).",
    "type",
)
GPU_XID_ERRORS = _nvml(
    "gpu_xid_errors_total",
    Kind.COUNTER,
    "errors",
    "Critical driver events (XID) since the server started.",
)

NVML: tuple[Metric, ...] = tuple(value for value in globals().values() if isinstance(value, Metric))
"""Every metric above; server/signals/nvml.py reads them from the driver."""

GPU_READ_AGE = Metric(
    "llm_gpu_read_age_seconds",
    Kind.GAUGE,
    "seconds",
    "Age of the last reading of the GPUs; above 15 its series are left out: the driver hangs.",
    Method.USE,
    absent=_ABSENT,
)

DCGM = (
    _dcgm("DCGM_FI_DEV_GPU_UTIL", Kind.GAUGE, "percent", "Share of time with a kernel running."),
    _dcgm("DCGM_FI_DEV_FB_USED", Kind.GAUGE, "mebibytes", "Framebuffer memory in use."),
    _dcgm("DCGM_FI_DEV_FB_FREE", Kind.GAUGE, "mebibytes", "Framebuffer memory free."),
    _dcgm("DCGM_FI_DEV_POWER_USAGE", Kind.GAUGE, "watts", "Power drawn."),
    _dcgm("DCGM_FI_DEV_GPU_TEMP", Kind.GAUGE, "celsius", "Core temperature."),
    _dcgm(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        Kind.COUNTER,
        "millijoules",
        "Energy used since the driver was loaded.",
    ),
    _dcgm("DCGM_FI_DEV_XID_ERRORS", Kind.GAUGE, "code", "The last XID, which stays."),
)
"""What dcgm-exporter's default counters offer of the same; recording rules join both."""
