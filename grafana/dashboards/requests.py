"""The request explorer: the worst requests, and the trace and the log lines of one of them."""

from grafana.dashboards import sdk
from grafana.dashboards.panels import OUTCOMES, Panel, log_lines, series, table, trace
from grafana.dashboards.queries import Logs, Traces
from grafana.dashboards.slo import limit

SHOWN = ("tenant", "model", "outcome", "reason", "input_tokens", "output_tokens")
TRACE_LINK = (
    "Show its trace and logs below",
    "/d/llm-requests?${__url_time_range}&${model:queryparam}&${tenant:queryparam}"
    "&${instance:queryparam}&${outcome:queryparam}&var-slower=${slower}&var-dearer=${dearer}"
    "&var-trace=${__value.raw}",
)
HEADINGS = {
    "trace_id": ("Trace", "string"),
    "outcome": ("Outcome", "string"),
    "reason": ("Reason", "string"),
    "tenant": ("Tenant", "string"),
    "model": ("Model", "string"),
    "input_tokens": ("In", "none"),
    "output_tokens": ("Out", "none"),
}
WIDTHS = {
    "Duration": 80,
    "Cost": 80,
    "Trace": 232,
    "Outcome": 85,
    "Reason": 128,
    "Tenant": 82,
    "In": 42,
    "Out": 42,
}


def finished(*fields: str) -> str:
    """Return the LogQL of finished requests, in the scope of the variables."""
    parse = ", ".join(f'{name}="{name}"' for name in ("event", *SHOWN, *fields))
    return (
        '{service_name="llm-server"} |= `request_finished` | service_instance_id=~"$instance" '
        f'| json {parse} | event="request_finished" | model=~"$model" | tenant=~"$tenant" '
        '| outcome=~"$outcome"'
    )


def worst(field: str, above: str) -> Logs:
    """Return the ten requests of the time range with the largest `field` that is `above` one."""
    kept = ", ".join(("trace_id", *SHOWN))
    lines = f"{finished(field)} | {field} > {above} | unwrap {field}"
    values = f"max_over_time({lines} | __error__=`` [$__range])"
    return Logs(f"topk(10, max by ({kept}) ({values}))", instant=True)


def worst_requests() -> list[Panel]:
    """Return the slowest and the dearest requests, from the logs: none is sampled away."""
    return [
        table(
            "Slowest requests",
            "The ten longest of the time range, from request_finished; click an id to see below "
            "where its time went, and on too many series choose a larger Slower than.",
            [worst("duration_seconds", "$slower")],
            {"Value #A": ("Duration", "s"), **HEADINGS},
            sort="Duration",
            links={"Trace": TRACE_LINK},
            widths=WIDTHS,
            limits={"Duration": limit("request_duration")},
        ),
        table(
            "Dearest requests",
            "The ten that cost most in the time range; click an id, for long inputs ask the tenant "
            "about its prompts, and on too many series choose a larger Dearer than.",
            [worst("cost_microdollars", "$dearer")],
            {"Value #A": ("Cost", "currency:µ$"), **HEADINGS},
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
        "| select(span.llm.outcome, span.llm.reason, span.llm.cost.microdollars) "
        "with (most_recent=true)"
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
                "llm.cost.microdollars": ("Cost", "currency:µ$"),
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
                    f"quantile_over_time(0.95, {finished('duration_seconds')} "
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
        "{{.input_tokens}} in {{.output_tokens}} out {{.cost_microdollars}} µ$"
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
        "{{.tenant}} {{.model}}"
    )
    fields = ("duration_seconds", "time_to_first_token_seconds", "cost_microdollars")
    return [
        log_lines(
            "Last requests",
            "One line per finished request, newest first; choose an outcome at the top, open a "
            "line and click Open the trace.",
            Logs(f"{finished(*fields)} | line_format `{line}`", lines=200),
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
            sdk.choice_variable("dearer", "Dearer than (µ$)", ["1", "100", "1000", "10000"]),
            sdk.text_variable("trace", "Trace id"),
        ],
        rows=[
            ("The worst", worst_requests()),
            ("One request: click an id above", one_request()),
            ("More", more_requests()),
            ("All", last_requests()),
        ],
    )
