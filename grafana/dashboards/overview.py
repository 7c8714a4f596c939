"""The overview: is it fine? The alerts, then traffic, errors, latency and saturation."""

from grafana.dashboards import sdk
from grafana.dashboards.measures import DOLLARS
from grafana.dashboards.objectives import error_budgets, firing_alerts
from grafana.dashboards.panels import Panel, series, stat
from grafana.dashboards.queries import (
    FAULTS,
    NO_SERVER,
    NO_TRAFFIC,
    OURS,
    VLLM,
    Query,
    failures,
    in_engine,
    overall,
    quantile,
    rate,
)
from grafana.dashboards.slo import limit

REQUESTS = rate("llm_requests_total")
TTFT = "gen_ai_server_time_to_first_token_seconds"
FAILED = rate("llm_requests_total", FAULTS)
ENDED = rate("llm_requests_total", 'outcome=~"ok|server_error|timeout"')


def traffic() -> list[Panel]:
    """Return how much is asked for, and what it costs at this pace."""
    spend = rate("llm_cost_microdollars_total")
    return [
        stat(
            "Requests now",
            "Finished requests per second over the last minute; at an unexpected zero look at "
            "Telemetry health first, then at the callers.",
            "reqps",
            Query(f"sum({REQUESTS})", "requests"),
        ),
        series(
            "Requests by outcome",
            "Finished requests per second by how they ended; when a color other than ok grows, "
            "read Requests that did not succeed below.",
            "reqps",
            [Query(f"sum by (outcome) ({REQUESTS})", "{{outcome}}")],
            width=10,
            stacked=True,
        ),
        series(
            "Spend, dollars per hour",
            "Price-list cost by model at the present pace; when it jumps while requests do not, "
            "open Cost and look for the tenant.",
            DOLLARS,
            [Query(f"sum by (model) ({spend}) * 3600 / 1e6", "{{model}}")],
            width=10,
            stacked=True,
            empty="nothing spent",
        ),
    ]


def errors() -> list[Panel]:
    """Return the share that failed by our fault, and every failure by reason."""
    failed = rate("llm_requests_total", 'outcome!="ok"')
    return [
        stat(
            "Failed by our fault",
            "Share that ended in server_error or timeout, of those and ok (what clients spoiled or "
            "gave up is not in it); when red, take the reason from the panel to the right and its "
            "trace from the Request explorer.",
            "percentunit",
            Query(f"sum({FAILED}) / sum({ENDED})", "failed"),
            limits=limit("error_share"),
        ),
        series(
            "Requests that did not succeed",
            "Share of all requests by outcome and reason; for server_error or timeout open the "
            "Request explorer, for client_error ask the caller.",
            "percentunit",
            [
                Query(
                    failures(
                        f"sum by (outcome, reason) ({failed}) / scalar(sum({REQUESTS})) > 0", most=8
                    ),
                    "{{outcome}}: {{reason}}",
                )
            ],
            empty="no request failed",
            width=20,
            stacked=True,
        ),
    ]


def latency() -> list[Panel]:
    """Return the wait for the first token and the whole duration."""
    return [
        stat(
            "TTFT p95",
            "Time to first token that 19 of 20 requests stay below; when red, see whether the "
            "engine waits (Saturation) or prompts grew (RED, phases).",
            "s",
            Query(quantile(0.95, TTFT, by=""), "p95"),
            limits=limit("time_to_first_token"),
        ),
        series(
            "Time to first token (TTFT)",
            "What a reader waits before anything appears; click a dot near the dashed limit to "
            "open that request's trace.",
            "s",
            overall(TTFT),
            empty=NO_TRAFFIC,
            width=10,
            limits=limit("time_to_first_token"),
        ),
        series(
            "Request duration",
            "First byte in to last byte out of all that was not refused, failures included; click "
            "a dot to open the trace of a slow one.",
            "s",
            overall("gen_ai_server_request_duration_seconds", 'outcome!="client_error"'),
            empty=NO_TRAFFIC,
            width=10,
            limits=limit("request_duration"),
        ),
    ]


def saturation() -> list[Panel]:
    """Return how full the engine is."""
    usage = f"vllm:kv_cache_usage_perc{{{VLLM}}}"
    return [
        stat(
            "Oldest waiting",
            "Age of the oldest request that has no first token yet; when red, the engine is full "
            "or stuck: open USE.",
            "s",
            Query(f"max(llm_oldest_waiting_request_age_seconds{{{OURS}}})", "oldest"),
            limits=limit("oldest_waiting_request"),
        ),
        series(
            "Requests in the engine",
            "Running share the batch and waiting have no place in it yet; when waiting stays above "
            "zero, add a replica or limit callers.",
            "short",
            [
                *in_engine(),
                Query(f"sum(llm_requests_in_flight{{{OURS}}})", "in flight over HTTP"),
            ],
            width=10,
            empty=NO_SERVER,
        ),
        series(
            "KV cache in use",
            "Share of the KV cache held by running requests; above the dashed line requests are "
            "thrown out and start again: shorten prompts or give the cache more memory.",
            "percentunit",
            [Query(f"max by (model_name) ({usage})", "{{model_name}}")],
            width=10,
            limits=limit("kv_cache_usage"),
            top=1,
            empty=NO_SERVER,
        ),
    ]


def build() -> str:
    """Return the overview board as JSON."""
    return sdk.dashboard_json(
        uid="llm-overview",
        description="Is the service well? A verdict on the left of each row, its course beside it.",
        uses=["model", "instance"],
        rows=[
            ("Alerts", firing_alerts()),
            ("Traffic", traffic()),
            ("Errors", errors()),
            ("Latency", latency()),
            ("Saturation", saturation()),
            ("Error budgets", error_budgets()),
        ],
    )
