"""Money as the boards ask for it: two measures of the same work side by side, never added."""

from grafana.dashboards.colors import DEVICE, LISTED
from grafana.dashboards.queries import OURS, QUANTILES, Query, quantile, rate

DOLLARS = "currencyUSD"
MICRODOLLARS = "currency:µ$"
"""Exemplars and log lines keep the metric's own unit, so panels of single requests do too."""


def hourly(series: str, by: str = "", scope: str = OURS) -> str:
    """Return a counter of microdollars as dollars per hour, in all or by a label."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} ({rate(series, scope=scope)}) * 3600 / 1e6"


def spend(listed: str, device: str, by: str, scope: str = OURS) -> list[Query]:
    """Return dollars per hour by a label: the counter of the list, and that of device time."""
    return [
        Query(hourly(metric, by, scope), f"{measure} {{{{{by}}}}}")
        for measure, metric in ((LISTED, listed), (DEVICE, device))
    ]


def quantiles(listed: str, device: str, by: str = "model", scope: str = OURS) -> list[Query]:
    """Return p50, p95 and p99 of both histograms; each has its dots once, at its p99."""
    return [
        Query(quantile(q, metric, by, scope), f"{measure} {name} {{{{{by}}}}}", q == 0.99)
        for measure, metric in ((LISTED, listed), (DEVICE, device))
        for q, name in QUANTILES
    ]
