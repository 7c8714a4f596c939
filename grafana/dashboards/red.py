"""RED: rate, errors and duration of the language model's requests, in detail."""

from grafana.dashboards import sdk
from grafana.dashboards.panels import Panel, density, series
from grafana.dashboards.queries import (
    FAULTS,
    NO_TRAFFIC,
    OURS,
    QUANTILES,
    TENANTS,
    VLLM,
    Buckets,
    Query,
    dots,
    failures,
    measured,
    quantile,
    quantiles,
    rate,
    seen,
)
from grafana.dashboards.slo import limit
from server.catalogue.grids import REQUEST_SECONDS

DURATION = "gen_ai_server_request_duration_seconds"
TENANT = "llm_tenant_requests_total"
ITL = "vllm:inter_token_latency_seconds"
BANDS = "|".join(f"{edge:g}|{edge}" for edge in REQUEST_SECONDS[2::3]) + r"|\\+Inf"
"""Every third edge of durations: all of them are more rows than labels fit beside."""


def rates() -> list[Panel]:
    """Return requests by what they ask for and by who asks, and tokens."""
    operations = f"sum by (model, operation) ({rate('llm_requests_total')})"
    tenants = f"sum by (tenant) ({rate(TENANT, scope=TENANTS)})"
    return [
        series(
            "Requests by operation",
            "Finished requests per second of the eight pairs of model and operation with most; "
            "when one operation falls to zero alone, look for a change in its callers.",
            "reqps",
            [
                Query(
                    seen(operations, "model, operation", "llm_requests_total", most=8),
                    "{{model}} {{operation}}",
                )
            ],
        ),
        series(
            "Requests by tenant",
            "Finished requests per second of the eight tenants with most; when one crowds out the "
            "rest, agree on a limit with its owner.",
            "reqps",
            [Query(seen(tenants, "tenant", TENANT, TENANTS, 8), "{{tenant}}")],
            stacked=True,
        ),
        series(
            "Tokens by kind",
            "Tokens per second, kinds never overlap; when input_uncached grows alone, make prompts "
            "share a prefix so that the cache serves them.",
            "count:tokens/s",
            [Query(f"sum by (kind) ({rate('llm_tokens_total')})", "{{kind}}")],
            stacked=True,
        ),
    ]


def errors() -> list[Panel]:
    """Return failures by outcome, by reason, and answers cut short."""
    requests = rate("llm_requests_total")
    failed = rate("llm_requests_total", 'outcome!="ok"')
    ours = rate("llm_requests_total", FAULTS)
    ok = rate("llm_requests_total", 'outcome="ok"')
    cut = rate("llm_requests_total", 'outcome="ok"', 'reason="length"')
    return [
        series(
            "Failed by our fault",
            "Share of requests that ended in server_error or timeout; above the dashed line start "
            "with their reason in the next panel.",
            "percentunit",
            [
                Query(
                    measured(f"sum by (outcome) ({ours}) / scalar(sum({requests}))"), "{{outcome}}"
                )
            ],
            empty=NO_TRAFFIC,
            limits=limit("error_share"),
            stacked=True,
        ),
        series(
            "Failures by reason",
            "Failed requests per second by the six commonest reasons; look one up in "
            "docs/server.md and open one of its requests in the Request explorer.",
            "reqps",
            [
                Query(
                    failures(f"sum by (outcome, reason) ({failed}) > 0", most=6),
                    "{{outcome}}: {{reason}}",
                )
            ],
            empty="no request failed",
            stacked=True,
        ),
        series(
            "Answers cut short",
            "Share of answers with status 200 that ended at the token limit; above the dashed line "
            "raise max_tokens with the callers.",
            "percentunit",
            [Query(measured(f"sum by (model) ({cut}) / sum by (model) ({ok})"), "{{model}}")],
            empty=NO_TRAFFIC,
            limits=limit("truncated_share"),
            top=1,
        ),
    ]


def durations() -> list[Panel]:
    """Return every clock of a request, on a logarithmic axis where the spread needs it.

    One list in the order of the board, and so longer than 40 lines.
    """
    bands = f'{OURS}, le=~"{BANDS}"'
    phase = "llm_request_phase_seconds"
    return [
        series(
            "Duration, p50 p95 p99",
            "First byte in to last byte out, failures included; click a dot above the limit to "
            "open the trace of that request.",
            "s",
            quantiles(DURATION),
            empty=NO_TRAFFIC,
            limits=limit("request_duration"),
            logarithmic=True,
        ),
        series(
            "TTFT, p50 p95 p99",
            "Wait for the first token; when it rises with queue below, add capacity, when it rises "
            "with prefill, look for long prompts.",
            "s",
            quantiles("gen_ai_server_time_to_first_token_seconds"),
            empty=NO_TRAFFIC,
            limits=limit("time_to_first_token"),
            logarithmic=True,
        ),
        series(
            "TPOT, p50 p95 p99",
            "Mean pace of a request after its first token; when it rises, the batch is too large "
            "for the machine: lower --max-num-seqs or add a replica.",
            "s",
            quantiles("gen_ai_server_time_per_output_token_seconds"),
            empty=NO_TRAFFIC,
            limits=limit("time_per_output_token"),
            logarithmic=True,
        ),
        series(
            "Inter-token latency (ITL)",
            "Seconds between two outputs of one answer, as vLLM sees it; when p99 jumps while TPOT "
            "does not, long prefills stall decoding: enable chunked prefill.",
            "s",
            [
                Query(
                    measured(quantile(q, ITL, by="model_name", scope=VLLM)),
                    f"{name} {{{{model_name}}}}",
                )
                for q, name in QUANTILES
            ],
            empty=NO_TRAFFIC,
            limits=limit("inter_token_latency"),
            logarithmic=True,
        ),
        series(
            "Phases, p95",
            "The 95th percentile of each phase; go after the tallest: queue means capacity, "
            "prefill long prompts, decode long answers, deliver slow readers.",
            "s",
            [dots(phase), Query(measured(quantile(0.95, phase, by="phase")), "{{phase}}")],
            empty=NO_TRAFFIC,
            logarithmic=True,
        ),
        density(
            "Duration, all requests",
            "How many requests took how long; two bands are two kinds of request, so read them "
            "apart in the Request explorer before you trust a quantile.",
            "s",
            Buckets(f"sum by (le) (increase({DURATION}_bucket{{{bands}}}[$__rate_interval]))"),
            width=8,
        ),
    ]


def build() -> str:
    """Return the RED board as JSON."""
    return sdk.dashboard_json(
        uid="llm-red",
        description="Rate, errors and duration of every request, by model, operation and tenant.",
        rows=[("Rate", rates()), ("Errors", errors()), ("Duration", durations())],
    )
