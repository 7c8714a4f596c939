"""Money as the boards ask for it: two measures of the same work side by side, never added."""

from grafana.dashboards.colors import DEVICE, LISTED
from grafana.dashboards.queries import (
    OURS,
    QUANTILES,
    Asks,
    Query,
    dots,
    measured,
    quantile,
    rate,
    seen,
)

DOLLARS = "currencyUSD"
MICRODOLLARS = "currency:µ$"
"""Exemplars and log lines keep the metric's own unit, so panels of single requests do too."""
_SMALL = 0.01
"""Dollars below which an amount is told in microdollars: $0.00000690 is no amount to read."""


def hourly(series: str, by: str = "", scope: str = OURS) -> str:
    """Return a counter of microdollars as dollars per hour, in all or by a label."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} ({rate(series, scope=scope)}) * 3600 / 1e6"


def dollars(name: str, expr: str) -> list[Query]:
    """Return an amount for a number: in dollars, or in microdollars while it is below a cent."""
    small = f"({expr}) > 0 < {_SMALL}"
    return [
        Query(f"({expr}) unless ({small})", name),
        Query(f"1e6 * ({small})", f"{name} (µ$)", unit=MICRODOLLARS),
    ]


def spend(listed: str, device: str, by: str, scope: str = OURS, most: int = 0) -> list[Query]:
    """Return dollars per hour by a label: the counter of the list, and that of device time.

    Of a label without a bound only the `most` that cost most by the list, for both.
    """
    return [
        Query(
            seen(hourly(metric, by, scope), by, listed if most else metric, scope, most),
            f"{measure} {{{{{by}}}}}",
        )
        for measure, metric in ((LISTED, listed), (DEVICE, device))
    ]


def quantiles(
    listed: str, device: str, by: str = "model", scope: str = OURS, most: int = 0
) -> list[Asks]:
    """Return p99, p95 and p50 of both histograms; the dots are the list's, or they would mix.

    Grafana colors a dot by its labels, which are the same in both. Of a label without a bound only
    the `most` with most requests have lines.
    """

    def line(q: float, metric: str) -> str:
        every = quantile(q, metric, by, scope)
        few = f"({seen(every, by, f'{listed}_count', scope, most)})" if most else every
        return measured(few)

    lines = [
        Query(line(q, metric), f"{measure} {name} {{{{{by}}}}}")
        for measure, metric in ((LISTED, listed), (DEVICE, device))
        for q, name in QUANTILES
    ]
    return [dots(listed, scope=scope), *lines]
