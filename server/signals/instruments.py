"""The only place where instruments are created: one for each record of server/catalogue/own.py."""

from functools import cache
from typing import TypeAlias, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from server.catalogue import Kind, Metric, cost, grids, own

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily

VLLM_BUCKETS: dict[str, list[float]] = {
    "request_latency": list(grids.REQUEST_SECONDS),
    "time_to_first_token": list(grids.REQUEST_SECONDS),
    "inter_token_latency": list(grids.TOKEN_SECONDS),
}
"""Our grids under the names of vLLM's --custom-histogram-buckets, so that both layers compare."""


Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


def _remembering(made: Instrument) -> Instrument:
    """The instrument, whose `labels` finds a series again without a lock and new texts.

    A request asks for some twenty, of label sets that are bounded and that nobody removes.
    """
    made.labels = cache(made.labels)  # type: ignore[method-assign]
    return made


def _counter(metric: Metric) -> Counter:
    return _remembering(Counter(metric.family, metric.help, metric.labels, registry=REGISTRY))


def _gauge(metric: Metric) -> Gauge:
    return _remembering(Gauge(metric.family, metric.help, metric.labels, registry=REGISTRY))


def _histogram(metric: Metric) -> Histogram:
    return _remembering(
        Histogram(
            metric.family, metric.help, metric.labels, registry=REGISTRY, buckets=metric.buckets
        )
    )


def family(metric: Metric) -> Family:
    """An empty family for a collector, which reads its values at the scrape."""
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(metric.family, metric.help, labels=metric.labels)


def single(metric: Metric, value: float) -> Family:
    """The family of a metric without labels, with its one value."""
    found = family(metric)
    found.add_metric([], value)
    return found


REQUEST_DURATION = _histogram(own.REQUEST_DURATION)
TIME_TO_FIRST_TOKEN = _histogram(own.TIME_TO_FIRST_TOKEN)
TIME_PER_OUTPUT_TOKEN = _histogram(own.TIME_PER_OUTPUT_TOKEN)
PHASE_DURATION = _histogram(own.PHASE_DURATION)
REQUESTS = _counter(own.REQUESTS)
TENANT_REQUESTS = _counter(own.TENANT_REQUESTS)
IN_FLIGHT = _gauge(own.IN_FLIGHT)
OLDEST_WAITING = _gauge(own.OLDEST_WAITING)
NOT_READY = _gauge(own.NOT_READY)
CLOCK = _gauge(own.CLOCK)
EVENT_LOOP_LAG = _histogram(own.EVENT_LOOP_LAG)
TOKENS = _counter(own.TOKENS)
TENANT_TOKENS = _counter(own.TENANT_TOKENS)
REQUEST_TOKENS = _histogram(own.REQUEST_TOKENS)
REQUEST_COST = _histogram(cost.REQUEST_COST)
REQUEST_COST_PER_1K = _histogram(cost.REQUEST_COST_PER_1K)
COST = _counter(cost.COST)
TENANT_COST = _counter(cost.TENANT_COST)
WASTED_COST = _counter(cost.WASTED_COST)
CACHE_SAVINGS = _counter(cost.CACHE_SAVINGS)
WATCHED_COST = _histogram(cost.WATCHED_COST)
REQUEST_GPU_COST = _histogram(cost.REQUEST_GPU_COST)
REQUEST_GPU_COST_PER_1K = _histogram(cost.REQUEST_GPU_COST_PER_1K)
WATCHED_GPU_COST = _histogram(cost.WATCHED_GPU_COST)
GPU_COST_MISSING = _counter(cost.GPU_COST_MISSING)
UNPRICED = _counter(cost.UNPRICED)
PER_1K_EXCLUDED = _counter(cost.PER_1K_EXCLUDED)
PRICES_VALID = _gauge(cost.PRICES_VALID)
OBSERVER_ERRORS = _counter(own.OBSERVER_ERRORS)
TELEMETRY_ITEMS = _counter(own.TELEMETRY_ITEMS)
