"""The request explorer: the worst requests, and the trace and the log lines of one of them."""

from grafana.dashboards import sdk
from grafana.dashboards.logged import (
    DEAREST,
    GPU_COST,
    HEADINGS,
    WIDTHS,
    dearest,
    finished,
    slowest,
)
from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.panels import OUTCOMES, Panel, log_lines, series, table, trace
from grafana.dashboards.queries import Logs, Traces
from grafana.dashboards.slo import limit

CHOSEN = '| outcome=~"$outcome"'
TRACE_LINK = (
    "Show its trace and logs below",
    "/d/llm-requests?${__url_time_range}&${model:queryparam}&${tenant:queryparam}"
    "&${instance:queryparam}&${outcome:queryparam}&var-slower=${slower}&var-dearer=${dearer}"
    "&var-trace=${__value.raw}",
)


def worst_requests() -> list[Panel]:
    """Return the slowest and the dearest requests, from the logs: none is sampled away."""
    return [
        table(
            "Slowest requests",
            "The ten longest of the time range, from request_finished; click an id to see below "
            "where its time went, and on too many series choose a larger Slower than.",
            [slowest("$slower", chosen=CHOSEN)],
            {"Value #A": ("Duration", "s"), **HEADINGS},
            sort="Duration",
            links={"Trace": TRACE_LINK},
            widths=WIDTHS,
            limits={"Duration": limit("request_duration")},
        ),
        table(
            "Dearest requests",
            "The ten that cost most by the price list, beside their share of device time; click an "
            "id to see why, and on too many series choose a larger Dearer than.",
            [dearest("$dearer", chosen=CHOSEN)],
            DEAREST,
            sort="Cost",
            links={"Trace": TRACE_LINK},
            widths=WIDTHS,
        ),
    ]


def more_requests() -> list[Panel]:
    """Return traces by TraceQL, and quantiles per tenant, which only the logs have."""
    search = (
        '{ resource.service.name = "llm-server" && kind = server && duration > ${slower}s '
        '&& span.gen_ai.request.model =~ "$model" && span.llm.tenant =~ "$tenant" '
        '&& resource.service.instance.id =~ "$instance" && span.llm.outcome =~ "$outcome" } '
        "| select(span.llm.outcome, span.llm.reason, span.llm.cost.microdollars, "
        "span.llm.gpu.cost.microdollars) with (most_recent=true)"
    )
    return [
        table(
            "Newest traces slower than chosen",
            "Traces above the duration chosen at the top, newest first, half a minute behind; "
            "click an id to see below where its time went.",
            [Traces(search)],
            {
                "Start time": ("Start", "dateTimeAsIsoNoDateIfToday"),
                "traceIdHidden": ("Trace", "string"),
                "Duration": ("Duration", "ns"),
                "llm.outcome": ("Outcome", "string"),
                "llm.reason": ("Reason", "string"),
                "llm.cost.microdollars": ("Cost", MICRODOLLARS),
                "llm.gpu.cost.microdollars": ("Device", MICRODOLLARS),
            },
            sort="Start",
            links={"Trace": TRACE_LINK},
            widths=WIDTHS,
        ),
        series(
            "Duration by tenant, p95",
            "The 95th percentile of each tenant's requests, from the logs; when one tenant alone "
            "is slow, compare its token counts with the others'.",
            "s",
            [
                Logs(
                    f"quantile_over_time(0.95, {finished('duration_seconds', chosen=CHOSEN)} "
                    "| unwrap duration_seconds | __error__=`` [$__auto]) by (tenant)",
                    legend="{{tenant}}",
                    step="1m",
                )
            ],
            width=12,
            limits=limit("request_duration"),
            logarithmic=True,
            height=9,
        ),
    ]


def one_request() -> list[Panel]:
    """Return the trace and every log line of the request chosen above."""
    line = (
        "{{.level}} {{.event}} {{.outcome}} {{.reason}} {{.status_code}} {{.tenant}} {{.model}} "
        "{{.input_tokens}} in {{.output_tokens}} out {{.cost_microdollars}} µ$, "
        "{{.gpu_cost_microdollars}} µ$ of device time"
    )
    return [
        trace(
            "Trace of the chosen request",
            "Where the time of one request went, phase by phase; go after the longest: queue means "
            "capacity, prefill long prompts, decode long answers.",
            Traces("$trace"),
            width=12,
        ),
        log_lines(
            "Log lines of the chosen request",
            "Every line that carries its trace_id, vLLM's own included; read upwards from "
            "request_finished to the first line that is not info.",
            Logs(
                f'{{service_name="llm-server"}} | trace_id="$trace" | json | line_format `{line}`'
            ),
            width=12,
        ),
    ]


def last_requests() -> list[Panel]:
    """Return one line for each finished request, with the link to its trace."""
    line = (
        '{{printf "%-12s %-17s" .outcome .reason}} {{printf "%6.6s" .duration_seconds}} s, first '
        'token {{printf "%6.6s" .time_to_first_token_seconds}} s, {{printf "%5s" .input_tokens}} '
        'in, {{printf "%5s" .output_tokens}} out, {{printf "%7.7s" .cost_microdollars}} µ$, '
        '{{printf "%7.7s" .gpu_cost_microdollars}} µ$ of device time, {{.tenant}} {{.model}}'
    )
    fields = ("duration_seconds", "time_to_first_token_seconds", "cost_microdollars", GPU_COST)
    return [
        log_lines(
            "Last requests",
            "One line per finished request, newest first; choose an outcome at the top, open a "
            "line and click Open the trace.",
            Logs(f"{finished(*fields, chosen=CHOSEN)} | line_format `{line}`", lines=200),
        )
    ]


def build() -> str:
    """Return the request explorer as JSON."""
    return sdk.dashboard_json(
        uid="llm-requests",
        description="From the worst requests to the trace and the log lines of one, on one page.",
        uses=["model", "tenant", "instance"],
        more=[
            sdk.several_variable("outcome", "Outcome", list(OUTCOMES)),
            sdk.choice_variable("slower", "Slower than (s)", ["0.1", "0.5", "1", "5", "30"]),
            sdk.choice_variable("dearer", "Dearer than (µ$)", sdk.DEARER),
            sdk.text_variable("trace", "Trace id"),
        ],
        rows=[
            ("The worst", worst_requests()),
            ("One request: click an id above", one_request()),
            ("More", more_requests()),
            ("All", last_requests()),
        ],
    )
