"""The catalogue: the only place where instruments are created, with their units and grids.

Names and kinds are those of docs/metrics.md. A quantile read from a histogram is off by at most the
ratio of the neighbouring edges, so grids are geometric; each SLO threshold and the default deadline
(600 s) are edges.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A *_created series beside each counter would be a fifth of /metrics, and nothing reads it.
disable_created_metrics()

REQUEST_SECONDS = (
    0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.65, 1.0, 1.5, 2.5,
    4.0, 6.5, 10.0, 15.0, 25.0, 40.0, 60.0, 100.0, 180.0, 300.0, 600.0, 1200.0,
)  # fmt: skip
"""Edges in seconds for whole requests and TTFT: 20 ms to 20 minutes."""

TOKEN_SECONDS = (
    0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.011, 0.015, 0.02, 0.028, 0.04,
    0.055, 0.075, 0.1, 0.14, 0.2, 0.28, 0.4, 0.65, 1.0, 1.6, 2.8, 5.0,
)  # fmt: skip
"""Edges in seconds for TPOT and ITL: 1 ms to 5 s."""

PHASE_SECONDS = (
    0.0001, 0.0003, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.2, 0.4,
    0.75, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 400.0, 600.0, 1200.0,
)  # fmt: skip
"""Edges in seconds for phases: 0.1 ms to 20 minutes."""

COST_MICRODOLLARS = (
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3,
    1e4, 2e4, 3.5e4, 6e4, 1e5, 2e5, 3.5e5, 6e5, 1e6, 5e6, 2e7, 1e8,
)  # fmt: skip
"""Edges in microdollars: 1 µ$ to $100; 100000 is the alert's threshold, see prometheus/alerts/."""

VLLM_BUCKETS: dict[str, list[float]] = {
    "request_latency": list(REQUEST_SECONDS),
    "time_to_first_token": list(REQUEST_SECONDS),
    "inter_token_latency": list(TOKEN_SECONDS),
}
"""Our grids under the names of vLLM's --custom-histogram-buckets, so that both layers compare."""

REQUEST_DURATION = Histogram(
    "gen_ai_server_request_duration_seconds",
    "Seconds from the request's first byte read to its response's last byte written.",
    ["model", "operation", "outcome"],
    buckets=REQUEST_SECONDS,
)
TIME_TO_FIRST_TOKEN = Histogram(
    "gen_ai_server_time_to_first_token_seconds",
    "Seconds from the request's start to the engine's first output token (TTFT).",
    ["model", "operation"],
    buckets=REQUEST_SECONDS,
)
TIME_PER_OUTPUT_TOKEN = Histogram(
    "gen_ai_server_time_per_output_token_seconds",
    "Seconds per output token after the first, mean over one request (TPOT).",
    ["model", "operation"],
    buckets=TOKEN_SECONDS,
)
PHASE_DURATION = Histogram(
    "llm_request_phase_seconds",
    "Seconds of a request's phases, which tile the request.",
    ["model", "phase"],
    buckets=PHASE_SECONDS,
)
REQUESTS = Counter(
    "llm_requests",
    "Requests that ended, by outcome and reason.",
    ["model", "tenant", "operation", "outcome", "reason"],
)
IN_FLIGHT = Gauge(
    "llm_requests_in_flight",
    "Requests that were accepted and are not yet recorded.",
    ["model"],
)
TOKENS = Counter(
    "llm_tokens",
    "Tokens used by all requests whatever their outcome; the kinds are disjoint.",
    ["model", "tenant", "kind"],
)
REQUEST_COST = Histogram(
    "llm_request_cost_microdollars",
    "Microdollars a request cost by the price list.",
    ["model", "operation"],
    buckets=COST_MICRODOLLARS,
)
REQUEST_COST_PER_1K = Histogram(
    "llm_request_cost_microdollars_per_1k_tokens",
    "Microdollars per 1000 output tokens of one request, by the price list.",
    ["model"],
    buckets=COST_MICRODOLLARS,
)
COST = Counter(
    "llm_cost_microdollars",
    "Microdollars spent by the price list.",
    ["model", "tenant", "outcome"],
)
UNPRICED = Counter(
    "llm_unpriced_requests",
    "Requests that used tokens of a model without a price: their cost is absent, not 0.",
    ["model"],
)
PER_1K_EXCLUDED = Counter(
    "llm_cost_per_1k_excluded",
    "Priced requests left out of the cost per 1000 output tokens, and why.",
    ["model", "reason"],
)
OBSERVER_ERRORS = Counter(
    "llm_observer_errors",
    "Errors inside our own hooks; no request failed by them.",
    ["hook"],
)
TELEMETRY_ITEMS = Counter(
    "llm_telemetry_items",
    "Spans and logs of the API process: made, delivered, or lost as failed or dropped.",
    ["signal", "result"],
)
