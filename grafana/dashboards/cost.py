"""Cost by the price list: how much, for whom, for what, and what one thousand tokens cost."""

from grafana.dashboards import sdk
from grafana.dashboards.panels import Panel, series, stat, table
from grafana.dashboards.queries import OURS, TENANTS, Now, Query, quantile, rate
from grafana.dashboards.slo import limit

DOLLARS = "currencyUSD"
# Exemplars keep the metric's own unit, so panels that show them stay in microdollars.
MICRODOLLARS = "currency:µ$"
PER_1K = "llm_request_cost_microdollars_per_1k_tokens"
SPEND = rate("llm_cost_microdollars_total")
OUTPUT = rate("llm_tokens_total", 'kind="output"')


def verdict() -> list[Panel]:
    """Return what was spent, the pace, the price of output, and what was wasted."""
    wasted = rate("llm_cost_microdollars_total", 'outcome!="ok"')
    return [
        stat(
            "Spent in this range",
            "Dollars by the price list over the time range above; compare with the budget, and "
            "widen the range to a month for the bill.",
            DOLLARS,
            Query(f"sum(increase(llm_cost_microdollars_total{{{OURS}}}[$__range])) / 1e6", "spent"),
            width=6,
            height=5,
        ),
        stat(
            "Pace, dollars per hour",
            "Spend at the present pace; when it is far above the usual hour, find the tenant in "
            "the table below.",
            DOLLARS,
            Query(f"sum({SPEND}) * 3600 / 1e6", "pace"),
            width=6,
            height=5,
        ),
        stat(
            "Per 1000 output tokens",
            "Everything spent over everything answered; when red, inputs are long for their "
            "answers: shorten prompts or let them share a prefix.",
            MICRODOLLARS,
            Query(f"1000 * sum({SPEND}) / sum({OUTPUT})", "token-weighted"),
            limits=limit("cost_per_1k_output_tokens"),
            width=6,
            height=5,
        ),
        stat(
            "Spent on failures",
            "Share of the spend that went to requests without success; when it grows, mend what "
            "aborts them: deadlines, disconnects, errors.",
            "percentunit",
            Query(f"sum({wasted}) / sum({SPEND})", "wasted"),
            width=6,
            height=5,
        ),
    ]


def course() -> list[Panel]:
    """Return the spend over time by tenant, by model and by outcome."""
    tenants = rate("llm_tenant_cost_microdollars_total", scope=TENANTS)
    return [
        series(
            "Spend by tenant",
            "Dollars per hour by tenant; for the tenant that grows, read its dearest requests in "
            "the Request explorer and agree on a limit.",
            DOLLARS,
            [Query(f"sum by (tenant) ({tenants}) * 3600 / 1e6", "{{tenant}}")],
            stacked=True,
        ),
        series(
            "Spend by outcome",
            "Dollars per hour by how the request ended; what is not ok was paid for nothing, so "
            "start with the largest such color.",
            DOLLARS,
            [Query(f"sum by (outcome) ({SPEND}) * 3600 / 1e6", "{{outcome}}")],
            stacked=True,
        ),
        series(
            "Tokens per request",
            "Mean tokens of a request by kind; when input grows while output does not, the price "
            "of an answer rises: look at the prompts.",
            "short",
            [
                Query(
                    f"sum by (kind) ({rate('llm_tokens_total')})"
                    f" / scalar(sum({rate('llm_requests_total')}))",
                    "{{kind}}",
                )
            ],
            stacked=True,
        ),
    ]


def unit_cost() -> list[Panel]:
    """Return the distribution of the cost of a request and of its output."""
    request = "llm_request_cost_microdollars"
    return [
        series(
            "Cost per 1000 output tokens",
            "1,000,000 µ$ are $1, and p95 above the dashed line for 10 minutes alerts; click a dot "
            "to see which request was dear and why.",
            MICRODOLLARS,
            [
                Query(quantile(0.5, PER_1K), "p50 {{model}}"),
                Query(quantile(0.95, PER_1K), "p95 {{model}}", exemplars=True),
                Query(
                    f"1000 * sum by (model) ({SPEND}) / sum by (model) ({OUTPUT})",
                    "token-weighted {{model}}",
                ),
            ],
            width=12,
            limits=limit("cost_per_1k_output_tokens"),
            logarithmic=True,
        ),
        series(
            "Cost of one request",
            "Microdollars of a request; when p99 leaves p50 behind, few requests make the bill: "
            "click a dot on one and look at its tokens.",
            MICRODOLLARS,
            [
                Query(quantile(0.5, request), "p50 {{model}}"),
                Query(quantile(0.95, request), "p95 {{model}}"),
                Query(quantile(0.99, request), "p99 {{model}}", exemplars=True),
            ],
            width=12,
            logarithmic=True,
        ),
    ]


def _spent(metric: str, extra: str = "") -> str:
    return f"round(sum by (tenant) (increase({metric}{{{TENANTS}{extra}}}[$__range])), 0.001)"


def bill() -> list[Panel]:
    """Return the bill by tenant, and what the bill leaves out."""
    unpriced = rate("llm_unpriced_requests_total")
    excluded = rate("llm_cost_per_1k_excluded_total")
    return [
        table(
            "Bill by tenant",
            "Requests, tokens and dollars of each tenant over the time range; send it to who pays, "
            "and ask the first row about its prompts.",
            [
                Now(f"{_spent('llm_tenant_cost_microdollars_total')} / 1e6"),
                Now(f"round({_spent('llm_tenant_requests_total')})"),
                Now(_spent("llm_tenant_tokens_total", ', kind=~"input.*"')),
                Now(_spent("llm_tenant_tokens_total", ', kind="output"')),
            ],
            {
                "tenant": ("Tenant", "string"),
                "Value #A": ("Dollars", DOLLARS),
                "Value #B": ("Requests", "short"),
                "Value #C": ("Tokens in", "short"),
                "Value #D": ("Tokens out", "short"),
            },
            sort="Dollars",
        ),
        series(
            "Requests without a price or left out",
            "Requests that the numbers above do not hold, per second; for a model without a price "
            "add it to server/prices.yaml, the rest had too few output tokens to divide by.",
            "reqps",
            [
                Query(f"sum by (model) ({unpriced})", "no price: {{model}}"),
                Query(f"sum by (reason) ({excluded})", "not per 1000: {{reason}}"),
            ],
            width=12,
            height=9,
        ),
    ]


def build() -> str:
    """Return the cost board as JSON."""
    return sdk.dashboard_json(
        uid="llm-cost",
        description="What is spent, by whom and on what, by the price list of server/prices.yaml.",
        uses=["model", "tenant", "instance"],
        rows=[
            ("Now", verdict()),
            ("Spend", course()),
            ("Unit cost", unit_cost()),
            ("Bill", bill()),
        ],
    )
