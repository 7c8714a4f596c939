"""Single requests as their request_finished records tell them: none of those is sampled away."""

from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.queries import Logs
from grafana.dashboards.sdk import EVERY
from stack.stores import loki
from stack.stores.protocol import Scope

HERE = Scope("$model", "$tenant", "$instance")
"""The requests that the variables of every board choose."""
NONE_ENDED = "no request ended"
GPU_COST = "gpu_cost_microdollars"
TRACE = {"trace_id": ("Trace", "string"), "outcome": ("Outcome", "string")}
TENANT = {"tenant": ("Tenant", "string")}
TOKENS = {"input_tokens": ("In", "none"), "output_tokens": ("Out", "none")}
LASTED = {"duration_seconds": ("Duration", "s")}
COSTS = {"cost_microdollars": ("Cost", MICRODOLLARS), GPU_COST: ("Device", MICRODOLLARS)}
SLOWEST = {**LASTED, **TRACE, **TENANT, **TOKENS}
DEAREST = {**COSTS, **TRACE, **TENANT, **TOKENS}
"""Half a page wide: model and reason would stand outside of it."""
FAILED = {
    "Time": ("Time", "dateTimeAsIsoNoDateIfToday"),
    **LASTED,
    **TRACE,
    "reason": ("Reason", "string"),
    **TENANT,
    "model": ("Model", "string"),
    **TOKENS,
    **COSTS,
}


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
