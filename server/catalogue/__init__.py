"""The catalogue: every metric we make or read, once; docs/metrics.md is generated from it."""

from server.catalogue.cost import COST_METRICS
from server.catalogue.device_bill import BILL_METRICS
from server.catalogue.gpu import DCGM, GPU_READ_AGE, NVML
from server.catalogue.loadtest import LOADTEST
from server.catalogue.machine import NODE, PROCESS
from server.catalogue.own import OWN
from server.catalogue.record import Kind, Method, Metric
from server.catalogue.telemetry import TELEMETRY
from server.catalogue.vllm import VLLM

__all__ = ["ALL", "BY_SERIES", "MADE", "READ", "Kind", "Method", "Metric"]

MADE: tuple[Metric, ...] = (*OWN, *COST_METRICS, *BILL_METRICS, *NVML, GPU_READ_AGE)
"""What our own code exposes."""
READ: tuple[Metric, ...] = (*VLLM, *DCGM, *NODE, *PROCESS, *TELEMETRY, *LOADTEST)
"""What others expose and a rule, an alert or a board of ours may ask for."""
ALL: tuple[Metric, ...] = (*MADE, *READ)
BY_SERIES: dict[str, Metric] = {series: metric for metric in ALL for series in metric.series}
"""The metric behind each name that a query may use."""
