"""Cost: who spends what on what, by the price list and beside it by device time, never added."""

from grafana.dashboards import sdk, told
from grafana.dashboards.limits import Limits
from grafana.dashboards.logged import DEAREST, HERE, NONE_ENDED, dearest, trace_link
from grafana.dashboards.measures import DOLLARS, MICRODOLLARS, dollars, hourly, quantiles, spend
from grafana.dashboards.panels import Asks, Panel, series, stat, table
from grafana.dashboards.queries import NO_TRAFFIC, OURS, SERVER, TENANTS, Now, Query, rate, seen
from grafana.dashboards.slo import limit
from grafana.dashboards.tables import WIDTHS

SPEND = "llm_cost_microdollars_total"
WASTED = "llm_wasted_cost_microdollars_total"
NOTHING_SPENT = "nothing spent"
MONTH = f"sum(llm_spend_month_microdollars{{{SERVER}}}) / 1e6"
DAYS = "(day_of_month() - 1 + hour() / 24 + minute() / 1440)"
"""How many days of the month have passed, in UTC as the gauges count."""
FORECAST = f"{MONTH} * days_in_month() / ({DAYS} >= 0.25) or {MONTH} * NaN"
TRACE_LINK = trace_link("Show its trace and logs", "var-dearer=${dearer}")


def verdict() -> list[Panel]:
    """Return what is spent and will be, the price of output, and what was wasted."""
    output = rate("llm_tokens_total", 'kind="output"')
    wasted = [f"sum(increase({name}{{{OURS}}}[$__range]))" for name in (WASTED, SPEND)]
    return [
        stat(
            "Spent by the price list",
            "Dollars of all models and tenants since 0:00 UTC and since the first (a request "
            "counts on the day on which it ended), the month's end if it goes on so (an estimate, "
            "none in the first six hours of a month), and the pace; when the forecast is above the "
            "budget, find the tenant below.",
            DOLLARS,
            *dollars("today", f"sum(llm_spend_today_microdollars{{{SERVER}}}) / 1e6"),
            *dollars("this month", MONTH),
            *dollars("forecast, an estimate", FORECAST),
            *dollars("an hour, at this pace", hourly(SPEND, scope=SERVER)),
            nan="too early",
            width=14,
            height=5,
        ),
        stat(
            "Per 1000 output tokens",
            "Everything spent over everything answered; when red, inputs are long for their "
            "answers: shorten prompts or let them share a prefix.",
            MICRODOLLARS,
            Query(f"1000 * sum({rate(SPEND)}) / sum({output})", "token-weighted"),
            limits=limit("cost_per_1k_output_tokens"),
            width=5,
            height=5,
        ),
        stat(
            "Wasted in this range",
            "Share of the spend that bought no whole answer; when it grows, take the largest color "
            "of Wasted below and mend what causes it.",
            "percentunit",
            Query(" / ".join(wasted), "wasted"),
            width=5,
            height=5,
        ),
    ]


def course() -> list[Panel]:
    """Return both measures side by side over time: by model, by tenant and by outcome."""
    device = "llm_gpu_cost_microdollars_total"
    return [
        series(
            "By model",
            "Dollars per hour by the price list, dashed by device time; where dashed stays above, "
            "the list asks less than the model costs: raise its price or fill its batches.",
            DOLLARS,
            spend(SPEND, device, "model"),
            empty=NOTHING_SPENT,
        ),
        series(
            "By tenant",
            "Dollars per hour of the three tenants that cost most, dashed by device time; for one "
            "that grows, read its dearest requests below and agree on a budget.",
            DOLLARS,
            spend(
                "llm_tenant_cost_microdollars_total",
                "llm_tenant_gpu_cost_microdollars_total",
                "tenant",
                TENANTS,
                most=3,
            ),
            empty=NOTHING_SPENT,
        ),
        series(
            "By outcome",
            "Dollars per hour by how the request ended, dashed by device time; what is not ok was "
            "paid for nothing, so start with the highest such line.",
            DOLLARS,
            spend(SPEND, device, "outcome"),
            empty=NOTHING_SPENT,
        ),
    ]


def unit_cost() -> list[Panel]:
    """Return the distribution of the cost of a request and of its output."""
    listed, device = "llm_request_cost_microdollars", "llm_request_gpu_cost_microdollars"
    return [
        series(
            "Cost of one request",
            "Microdollars of a request, dashed by device time; when p99 leaves p50 behind, few "
            "requests make the bill: click a dot on one and look at its tokens.",
            MICRODOLLARS,
            quantiles(listed, device),
            empty=NO_TRAFFIC,
            width=12,
            logarithmic=True,
        ),
        series(
            "Cost per 1000 output tokens",
            "1,000,000 µ$ are $1, and list p95 above the limit for 10 minutes alerts; click a dot "
            "to see which request was dear and why.",
            MICRODOLLARS,
            quantiles(f"{listed}_per_1k_tokens", f"{device}_per_1k_tokens"),
            empty=NO_TRAFFIC,
            width=12,
            limits=limit("cost_per_1k_output_tokens"),
            logarithmic=True,
        ),
    ]


def _budget_used(period: str) -> str:
    # Those that have used most now, or the legend would not hold them.
    ratio = f"llm_tenant_budget_{period}_used_ratio{{{TENANTS}}}"
    most = f"topk(5, sum by (tenant) ({ratio} @ end()))"
    return f"sum by (tenant) ({ratio}) and on (tenant) {most}"


def waste() -> list[Panel]:
    """Return what was paid for no whole answer, and how far each budget is used."""
    used = [Query(_budget_used(period), f"{period} {{{{tenant}}}}") for period in ("day", "month")]
    return [
        series(
            "Wasted",
            "Dollars per hour by the price list for aborted, failed, truncated and retried "
            "requests; mend the largest: deadlines, errors, max_tokens, callers' retries.",
            DOLLARS,
            [Query(seen(hourly(WASTED, by="waste"), "waste", WASTED), "{{waste}}")],
            empty="nothing wasted",
            width=12,
            stacked=True,
        ),
        series(
            "Budgets used",
            "Share of a daily or monthly budget spent, of the five tenants with most; above soft "
            "warn the tenant, above the dashed line raise its budget or limit its calls.",
            "percentunit",
            [*used, Query(f"max(llm_budget_soft_ratio{{{SERVER}}})", "soft")],
            width=12,
            limits=Limits(1),
            empty="no budgets file",
        ),
    ]


def _spent(metric: str, extra: str = "") -> str:
    return f"round(sum by (tenant) (increase({metric}{{{TENANTS}{extra}}}[$__range])), 0.001)"


def most_expensive() -> list[Panel]:
    """Return what each tenant used and cost, and the dearest requests with their traces."""
    asked: list[Asks] = [
        Now(_spent("llm_tenant_cost_microdollars_total")),
        Now(_spent("llm_tenant_gpu_cost_microdollars_total")),
        Now(f"round({_spent('llm_tenant_requests_total')})"),
        Now(_spent("llm_tenant_tokens_total", ', kind=~"input.*"')),
        Now(_spent("llm_tenant_tokens_total", ', kind="output"')),
    ]
    return [
        table(
            "Most expensive tenants",
            "Microdollars (µ$1M is $1) by the price list and by device time, requests and tokens "
            "of each tenant in the time range; ask the first row about its prompts.",
            asked,
            {
                "tenant": ("Tenant", "string"),
                "Value #A": ("List", MICRODOLLARS),
                "Value #B": ("Device", MICRODOLLARS),
                "Value #C": ("Requests", "short"),
                "Value #D": ("Tokens in", "short"),
                "Value #E": ("Tokens out", "short"),
            },
            sort="List",
            widths={"Device": WIDTHS["List"]},
            empty="no requests",
        ),
        table(
            "Most expensive requests",
            "The ten that cost most by the price list, beside their share of device time; click an "
            "id to see why, and for a chosen tenant, which may have none of them, type a Dearer "
            "than.",
            dearest(HERE),
            DEAREST,
            sort="Cost",
            links={"Trace": TRACE_LINK},
            empty=NONE_ENDED,
        ),
    ]


def build() -> str:
    """Return the cost board as JSON."""
    return sdk.dashboard_json(
        uid="llm-cost",
        description="Who spends what on what: by the price list, and beside it by device time, two "
        "measures of the same work that are never added.",
        more=[told.dearer(), *told.dear_variables()],
        rows=[
            ("Now", verdict()),
            ("List beside device time", course()),
            ("Unit cost", unit_cost()),
            ("Waste and budgets", waste()),
            ("The most expensive", most_expensive()),
        ],
    )
