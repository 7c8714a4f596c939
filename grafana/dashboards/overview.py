"""The overview board: traffic and errors, latency, cost, saturation, the last requests."""

from grafana.dashboards import sdk
from grafana.dashboards.sdk import Panel, Query

OURS = 'model=~"$model", instance=~"$instance"'
VLLM = 'model_name=~"$model", instance=~"$instance"'
DOLLARS = "currencyUSD"
# Exemplars keep the metric's own unit, so panels that show them stay in microdollars.
MICRODOLLARS = "currency:µ$"
COST_LIMIT_MICRODOLLARS = 100_000
KV_CACHE_LIMIT = 0.9
LOG_FIELDS = (
    "event",
    "model",
    "tenant",
    "outcome",
    "reason",
    "duration_seconds",
    "time_to_first_token_seconds",
    "input_tokens",
    "output_tokens",
    "cost_microdollars",
)


def rate(series: str, *matchers: str) -> str:
    """Return the per-second rate of one of our series over the panel's interval."""
    selector = ", ".join((OURS, *matchers))
    return f"rate({series}{{{selector}}}[$__rate_interval])"


def quantile(q: float, histogram: str, by: str = "model") -> str:
    """Return the quantile `q` of a raw histogram, which keeps exemplars, unlike a recorded one."""
    return f"histogram_quantile({q}, sum by (le, {by}) ({rate(histogram + '_bucket')}))"


def quantiles(histogram: str) -> list[Query]:
    """Return p50, p95 and p99; one of them asks for exemplars, or each dot would come thrice."""
    return [
        Query(quantile(0.5, histogram), "p50 {{model}}"),
        Query(quantile(0.95, histogram), "p95 {{model}}", exemplars=True),
        Query(quantile(0.99, histogram), "p99 {{model}}"),
    ]


def traffic_and_errors() -> list[Panel]:
    """Return the panels that say how much is asked for and how much of it fails."""
    requests = rate("llm_requests_total")
    failed = rate("llm_requests_total", 'outcome!="ok"')
    return [
        sdk.series(
            "Requests",
            "Finished requests per second by operation; at an unexpected zero, see whether the "
            "server is up (Saturation below) before you look at the callers.",
            "reqps",
            [Query(f"sum by (model, operation) ({requests})", "{{model}} {{operation}}")],
        ),
        sdk.series(
            "Tokens",
            "Tokens per second by kind, which never overlap; when input_uncached grows alone, make "
            "prompts share a prefix so that the cache serves them.",
            "suffix:tokens/s",
            [Query(f"sum by (kind) ({rate('llm_tokens_total')})", "{{kind}}")],
            stacked=True,
        ),
        sdk.series(
            "Requests that did not succeed",
            "Share of all requests by outcome and reason; for server_error or timeout open a "
            "failed line under Last requests, for client_error ask the caller.",
            "percentunit",
            [
                Query(
                    f"sum by (outcome, reason) ({failed}) / scalar(sum({requests}))",
                    "{{outcome}}: {{reason}}",
                )
            ],
            stacked=True,
        ),
    ]


def latency() -> list[Panel]:
    """Return duration, time to first token, time per output token and where the time went."""
    phase = "llm_request_phase_seconds"
    return [
        sdk.series(
            "Request duration",
            "From the first byte in to the last byte out, failed and aborted requests included; "
            "click a dot above the line to open the trace of a slow one.",
            "s",
            quantiles("gen_ai_server_request_duration_seconds"),
            width=12,
        ),
        sdk.series(
            "Time to first token (TTFT)",
            "What a reader waits before anything appears; when it rises with Waiting, add capacity "
            "or limit callers, when it rises alone, look for long prompts.",
            "s",
            quantiles("gen_ai_server_time_to_first_token_seconds"),
            width=12,
        ),
        sdk.series(
            "Time per output token (TPOT)",
            "Mean pace of a request after its first token; when it rises, the batch is too large "
            "for the machine: lower --max-num-seqs or add a replica.",
            "s",
            quantiles("gen_ai_server_time_per_output_token_seconds"),
            width=12,
        ),
        sdk.series(
            "Phases, p95",
            "The 95th percentile of each phase of a request; go after the tallest: queue means "
            "capacity, prefill long prompts, decode long answers, deliver slow readers.",
            "s",
            [Query(quantile(0.95, phase, by="phase"), "{{phase}}", exemplars=True)],
            width=12,
        ),
    ]


def cost() -> list[Panel]:
    """Return what is spent per hour and what 1000 output tokens cost."""
    spend = rate("llm_cost_microdollars_total")
    output = rate("llm_tokens_total", 'kind="output"')
    per_1k = "llm_request_cost_microdollars_per_1k_tokens"
    return [
        sdk.series(
            "Spend, dollars per hour",
            "Price-list cost by model and tenant, at the present pace; for the tenant that grows, "
            "read its requests under Last requests and agree on a limit.",
            DOLLARS,
            [
                Query(
                    f"sum by (model, tenant) ({spend}) * 3600 / 1e6",
                    "{{model}} {{tenant}}",
                )
            ],
            width=12,
            stacked=True,
        ),
        sdk.series(
            "Cost per 1000 output tokens, in microdollars",
            "1,000,000 µ$ are $1, and p95 above the dashed line for 10 minutes alerts "
            "(µ$100K = $0.10); click a dot to see which request was dear and why.",
            MICRODOLLARS,
            [
                Query(quantile(0.95, per_1k), "p95 {{model}}", exemplars=True),
                Query(
                    f"1000 * sum by (model) ({spend}) / sum by (model) ({output})",
                    "token-weighted {{model}}",
                ),
            ],
            width=12,
            limit=COST_LIMIT_MICRODOLLARS,
        ),
    ]


def saturation() -> list[Panel]:
    """Return how full the engine is: its queue and its KV cache."""
    running = f"sum by (model_name) (vllm:num_requests_running{{{VLLM}}})"
    waiting = f"sum by (model_name) (vllm:num_requests_waiting{{{VLLM}}})"
    in_flight = f"sum by (model) (llm_requests_in_flight{{{OURS}}})"
    return [
        sdk.series(
            "Requests in the engine",
            "Running share the batch and Waiting have no place in it yet; when Waiting stays above "
            "zero, add a replica or limit callers.",
            "short",
            [
                Query(running, "running {{model_name}}"),
                Query(waiting, "waiting {{model_name}}"),
                Query(in_flight, "in flight over HTTP {{model}}"),
            ],
            width=12,
        ),
        sdk.series(
            "KV cache in use",
            "Share of the KV cache held by running requests; above the dashed line requests are "
            "preempted and start again: shorten prompts or give the cache more memory.",
            "percentunit",
            [Query(f"max by (model_name) (vllm:kv_cache_usage_perc{{{VLLM}}})", "{{model_name}}")],
            width=12,
            limit=KV_CACHE_LIMIT,
            top=1,
        ),
    ]


def last_requests() -> list[Panel]:
    """Return one line for each finished request, with the link to its trace."""
    line = (
        '{{printf "%-12s" .outcome}} {{.reason}} | {{.duration_seconds}} s, first token '
        "{{.time_to_first_token_seconds}} s | {{.input_tokens}} in, {{.output_tokens}} out | "
        "{{.cost_microdollars}} µ$ | {{.tenant}} {{.model}}"
    )
    parse = ", ".join(f'{field}="{field}"' for field in LOG_FIELDS)
    return [
        sdk.log_lines(
            "Last requests",
            "One line per finished request, of every instance; open a line and click Open the "
            "trace to see where its time went.",
            f'{{service_name="llm-server"}} |= `request_finished` | json {parse} '
            f'| event="request_finished" | model=~"$model" | line_format `{line}`',
        )
    ]


def build() -> str:
    """Return the overview board as JSON."""
    return sdk.dashboard_json(
        uid="llm-overview",
        title="LLM serving: overview",
        description="Is the service well, what does it cost, and which request shows why.",
        variables=[
            sdk.label_variable("model", "Model", "label_values(llm_requests_in_flight, model)"),
            sdk.label_variable(
                "instance",
                "Instance",
                'label_values(llm_requests_in_flight{model=~"$model"}, instance)',
            ),
        ],
        rows=[
            ("Traffic and errors", traffic_and_errors()),
            ("Latency", latency()),
            ("Cost", cost()),
            ("Saturation", saturation() + last_requests()),
        ],
    )
