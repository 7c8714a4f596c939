"""The device bill: what the devices cost, what it bought, and whether the ledger adds up to it."""

from grafana.dashboards import sdk
from grafana.dashboards.colors import BAD
from grafana.dashboards.limits import Limits
from grafana.dashboards.measures import DOLLARS, MICRODOLLARS, dollars, hourly, quantiles
from grafana.dashboards.panels import Panel, series, stat
from grafana.dashboards.queries import SERVER, TENANTS, Query, rate
from grafana.dashboards.slo import limit

BILL = "llm_bill_microdollars_total"
PRICE = f"sum(llm_device_price_microdollars_per_second{{{SERVER}}}) * 3600 / 1e6"
NO_PRICE = "no device price"


def _dollars(gauge: str, name: str) -> list[Query]:
    return dollars(name, f"sum({gauge}{{{SERVER}}}) / 1e6")


def money() -> list[Panel]:
    """Return what the devices cost, how much of it was idle, and what is in no part yet."""
    idle = f'{BILL}{{{SERVER}, part="idle"}}'
    whole = f"{BILL}{{{SERVER}}}"
    return [
        stat(
            "Device bill",
            "Dollars that the devices cost since 0:00 UTC, since the first, and an hour, each "
            "request on the day on which it ended; compare the month with your provider's invoice, "
            "and mend server/prices.yaml where they part.",
            DOLLARS,
            *_dollars("llm_bill_today_microdollars", "today"),
            *_dollars("llm_bill_month_microdollars", "this month"),
            *dollars("an hour", PRICE),
            empty=NO_PRICE,
            width=8,
            height=5,
        ),
        stat(
            "Idle share of the bill",
            "Share of the bill that bought nothing, in this range and since the books were opened; "
            "when it stays high, run fewer replicas or give them more work.",
            "percentunit",
            Query(
                f"sum(increase({idle}[$__range])) / sum(increase({whole}[$__range]))", "this range"
            ),
            Query(f"sum({idle}) / sum({whole})", "since opened"),
            empty=NO_PRICE,
            width=6,
            height=5,
        ),
    ]


def checks() -> list[Panel]:
    """Return whether the ledger adds up, and how true the shares are."""
    return [
        stat(
            "Still open",
            "Device time of requests that are not recorded yet, the one part that the bill's parts "
            "leave out; when it is not 0 without traffic, look for requests that hang.",
            MICRODOLLARS,
            Query(f"sum(llm_bill_open_microdollars{{{SERVER}}})", "open"),
            empty=NO_PRICE,
            width=4,
            height=5,
        ),
        stat(
            "Ledger error",
            "Device time by the engine's clock that the ledger missed or counted twice; it must "
            "read 0, so when red trust no device cost and read the runbook.",
            "s",
            Query(f"max(abs(llm_ledger_error_seconds{{{SERVER}}}))", "error"),
            limits=Limits(1e-9),
            empty=NO_PRICE,
            width=3,
            height=5,
        ),
        stat(
            "Step-model error",
            "Median error of the time predicted for a step; when red, the sum still holds and the "
            "shares of single requests do not: let the model learn from more steps.",
            "percentunit",
            Query(f"max(llm_step_model_error_ratio{{{SERVER}}})", "error"),
            limits=limit("step_model_error"),
            empty=NO_PRICE,
            width=3,
            height=5,
        ),
    ]


def course() -> list[Panel]:
    """Return the bill over time by what it bought, and the requests that no number holds."""
    left_out = [
        Query(f"sum by (model) ({rate('llm_unpriced_requests_total')})", "no price: {{model}}"),
        Query(
            f"sum by (model) ({rate('llm_gpu_cost_missing_requests_total')})",
            "no device time: {{model}}",
        ),
        Query(
            f"sum by (reason) ({rate('llm_cost_per_1k_excluded_total')})",
            "not per 1000: {{reason}}",
        ),
    ]
    return [
        series(
            "The bill by what it bought",
            "Dollars per hour of the devices: requests, idle, start_up, stall, lost; what is not "
            "requests bought no answer, so start with the largest such color.",
            DOLLARS,
            [Query(hourly(BILL, by="part", scope=SERVER), "{{part}}")],
            width=16,
            stacked=True,
            empty=NO_PRICE,
        ),
        series(
            "What the numbers leave out",
            "Requests per second without a price, without device time, or with too few output "
            "tokens to divide by; for a model without a price add it to server/prices.yaml.",
            "reqps",
            left_out,
            hue=BAD,
        ),
    ]


def tenants() -> list[Panel]:
    """Return the unit cost of watched tenants, and what cached input saved."""
    return [
        series(
            "Cost of one request, watched tenants",
            "Microdollars of a request, dashed by device time, of the two busiest watched tenants; "
            "choose another at the top, and mark `watch` on one whose price you negotiate.",
            MICRODOLLARS,
            quantiles(
                "llm_watched_tenant_cost_microdollars",
                "llm_watched_tenant_gpu_cost_microdollars",
                "tenant",
                TENANTS,
                most=2,
            ),
            width=16,
            logarithmic=True,
            empty="no tenant is marked watch in the budgets file",
        ),
        series(
            "Saved by cached input",
            "Dollars per hour that cached input cost less by the price list than uncached; when it "
            "falls while requests do not, prompts share no prefix any more.",
            DOLLARS,
            [Query(hourly("llm_cache_savings_microdollars_total", by="model"), "{{model}}")],
            width=8,
            stacked=True,
        ),
    ]


def build() -> str:
    """Return the board of the device bill as JSON."""
    return sdk.dashboard_json(
        uid="llm-bill",
        description="What the devices cost, what that bought, and whether the ledger adds up.",
        rows=[
            ("Does it add up?", [*money(), *checks()]),
            ("The bill", course()),
            ("What a tenant costs and the cache saves", tenants()),
        ],
    )
