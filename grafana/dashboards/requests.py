"""The request explorer: the worst requests, and the trace and the log lines of one of them."""

from dataclasses import replace

from grafana.dashboards import sdk, told
from grafana.dashboards.colors import OUTCOMES
from grafana.dashboards.logged import (
    DEAREST,
    FAILED,
    HERE,
    NONE_ENDED,
    SLOWEST,
    dearest,
    slowest,
    trace_link,
)
from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.panels import Panel, log_lines, series, table, trace
from grafana.dashboards.queries import Logs, Traces
from grafana.dashboards.slo import limit
from stack.stores import loki, tempo

CHOSEN = replace(HERE, outcome="$outcome")
"""The requests that the variables of this board choose."""
TRACE_LINK = trace_link(
    "Show its trace and logs below",
    "${outcome:queryparam}",
    "var-slower=${slower}",
    "var-dearer=${dearer}",
)
NOTHING = "{resource.service.name=`none`}"
"""TraceQL that finds nothing, for an empty trace id is an error; and no service's name."""
REACH = 6 * 3600
"""Seconds that the lines of a request are looked for at least; 0.6 s of Loki's time at each look.

No index knows a trace's id, so a look at all that Loki keeps would take half a minute.
"""


def worst_requests() -> list[Panel]:
    """Return the slowest and the dearest requests, and those that failed: none is sampled away."""
    return [
        table(
            "Slowest requests",
            "The ten longest of the time range; click an id to see below where its time went, and "
            "for a chosen tenant, which may have none of them, type a Slower than.",
            slowest(CHOSEN),
            SLOWEST,
            sort="Duration",
            links={"Trace": TRACE_LINK},
            empty=NONE_ENDED,
            limits={"Duration": limit("request_duration")},
        ),
        table(
            "Dearest requests",
            "The ten that cost most by the price list, beside their device time; click an id to "
            "see why, and for a chosen tenant or outcome type a Dearer than.",
            dearest(CHOSEN),
            DEAREST,
            sort="Cost",
            links={"Trace": TRACE_LINK},
            empty=NONE_ENDED,
        ),
        table(
            "Failed requests",
            "The last hundred that were refused, failed, aborted or timed out; choose an outcome "
            "at the top to see one kind alone, and click an id to see how far it came.",
            [Logs("failed_requests", f'{loki.finished(CHOSEN)} | outcome!="ok"', lines=100)],
            FAILED,
            sort="Time",
            rows=100,
            width=24,
            height=9,
            links={"Trace": TRACE_LINK},
            empty="no request failed",
        ),
    ]


def one_request() -> list[Panel]:
    """Return the trace and every log line of the request chosen above."""
    # Without an id no store looks at anything: `llm-server{...}` is the name of no service.
    lines = '{service_name="llm-server${no_trace}"} | trace_id="$trace"'
    return [
        trace(
            "Trace of the chosen request",
            "Where the time of one request went, phase by phase; go after the longest: queue means "
            "capacity, prefill long prompts, decode long answers.",
            Traces("trace", "${trace}${no_trace}"),
            width=12,
            height=16,
            empty="click an id above",
        ),
        log_lines(
            "Log lines of the chosen request",
            "Every line with its trace_id, vLLM's own included, of the last six hours, or of the "
            "range if that ends now; read upwards from request_finished to the first that is not "
            "info.",
            Logs("trace_records", lines),
            width=12,
            height=16,
            back="${lines_seconds}s",
            empty="click an id above, or choose the time at which an older trace began",
        ),
    ]


def more_requests() -> list[Panel]:
    """Return traces by TraceQL, and quantiles per tenant, which only the logs have."""
    return [
        table(
            "Newest slow traces",
            "Traces as long as the slowest requests, newest first, half a minute behind; click an "
            "id to see above where its time went, or type a Slower than for shorter ones.",
            [Traces("newest_traces", tempo.slower_than("${slow_edge}", CHOSEN))],
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
            width=15,
            height=9,
            links={"Trace": TRACE_LINK},
            empty="no trace is as long",
        ),
        series(
            "Duration by tenant, p95",
            "The 95th percentile of the eight slowest tenants' requests, from the logs; when one "
            "alone is slow, compare its token counts with the others'.",
            "s",
            [
                Logs(
                    "tenant_p95",
                    f"topk(8, {loki.tenant_quantile('duration_seconds', 0.95, CHOSEN, '$__auto')})",
                    legend="{{tenant}}",
                    step="1m",
                )
            ],
            width=9,
            limits=limit("request_duration"),
            logarithmic=True,
            height=9,
            empty=NONE_ENDED,
        ),
    ]


def last_requests() -> list[Panel]:
    """Return one line for each finished request, with the link to its trace."""
    return [
        log_lines(
            "Last requests",
            "One line per finished request, newest first; choose an outcome at the top, open a "
            "line and click Open the trace.",
            Logs("last_requests", loki.finished(CHOSEN), lines=200),
            empty="no request ended",
        )
    ]


def build() -> str:
    """Return the request explorer as JSON."""
    return sdk.dashboard_json(
        uid="llm-requests",
        description="From the worst requests to the trace and the log lines of one, on one page.",
        more=[
            sdk.several_variable("outcome", "Outcome", list(OUTCOMES)),
            told.slower(),
            told.dearer(),
            sdk.text_variable("trace", "Trace id"),
            *told.slow_variables(),
            *told.dear_variables(),
            told.empty_variable("no_trace", "trace", NOTHING),
            told.seconds_variable("lines_seconds", REACH),
        ],
        rows=[
            ("The worst", worst_requests()),
            ("One request: click an id above", one_request()),
            ("More", more_requests()),
            ("All", last_requests()),
        ],
    )
