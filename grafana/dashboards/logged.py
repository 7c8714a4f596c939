"""Single requests as their request_finished records tell them: none of those is sampled away."""

from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.queries import Logs
from grafana.dashboards.sdk import EVERY
from stack.stores import loki
from stack.stores.protocol import Scope

HERE = Scope("$model", "$tenant", "$instance")
"""The requests that the variables of every board choose."""
GPU_COST = "gpu_cost_microdollars"
HEADINGS = {
    "trace_id": ("Trace", "string"),
    "outcome": ("Outcome", "string"),
    "reason": ("Reason", "string"),
    "tenant": ("Tenant", "string"),
    "model": ("Model", "string"),
    "input_tokens": ("In", "none"),
    "output_tokens": ("Out", "none"),
}
SLOWEST = {"duration_seconds": ("Duration", "s"), **HEADINGS}
DEAREST = {
    "cost_microdollars": ("Cost", MICRODOLLARS),
    GPU_COST: ("Device", MICRODOLLARS),
    **{name: heading for name, heading in HEADINGS.items() if name != "reason"},
}
FAILED = {"Time": ("Time", "dateTimeAsIsoNoDateIfToday"), **SLOWEST, **DEAREST}
WIDTHS = {
    "Time": 160,
    "Duration": 75,
    "Cost": 75,
    "Device": 75,
    "Trace": 270,
    "Outcome": 85,
    "Reason": 95,
    "Tenant": 75,
    "Model": 100,
    "In": 42,
    "Out": 42,
}
"""Pixels; a column without a width takes 150 at least, and a whole trace id needs 269."""


def trace_link(title: str, *chosen: str) -> tuple[str, str]:
    """Return the link of a trace id to the request explorer, which keeps what else was chosen."""
    kept = ["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in EVERY)]
    return title, f"/d/llm-requests?{'&'.join([*kept, *chosen])}&var-trace=${{__value.raw}}"


def slowest(scope: Scope) -> list[Logs]:
    """Return what holds the ten longest requests of the range."""
    return _worst("slowest", "duration_seconds", "slow", scope)


def dearest(scope: Scope) -> list[Logs]:
    """Return what holds the ten requests of the range that cost most by the price list."""
    return _worst("dearest", "cost_microdollars", "dear", scope)


def _worst(name: str, field: str, edges: str, scope: Scope) -> list[Logs]:
    # Of a crowded bucket Loki sends the newest only: the few above its end are asked for apart.
    # Above the first edge they are, too, unless a reader has typed a higher one.
    requests = loki.worst(field, f"${{{edges}_edge}}", scope)
    outliers = f"{requests} | {field} > ${{{edges}_next_edge}}"
    return [
        Logs(f"{name}_{what}", query, lines=loki.MOST_LINES)
        for what, query in (("requests", requests), ("outliers", outliers))
    ]
