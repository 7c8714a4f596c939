"""The metrics that the observed server makes itself.

A tenant never stands beside another label with many values: 50 tenants x 4 models must stay below
4,500 series (docs/decisions/0006-labels-that-multiply.md); both together are in the logs.
"""

from server.catalogue.grids import (
    LAG_SECONDS,
    PHASE_SECONDS,
    REQUEST_SECONDS,
    TOKEN_SECONDS,
    TOKENS_PER_REQUEST,
)
from server.catalogue.record import Kind, Method, Metric

REQUEST_DURATION = Metric(
    "gen_ai_server_request_duration_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Seconds from the request's first byte read to its response's last byte written.",
    Method.RED,
    ("model", "outcome"),
    REQUEST_SECONDS,
)
TIME_TO_FIRST_TOKEN = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Seconds from the request's start to the engine's first output token (TTFT).",
    Method.RED,
    ("model",),
    REQUEST_SECONDS,
)
TIME_PER_OUTPUT_TOKEN = Metric(
    "gen_ai_server_time_per_output_token_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Seconds per output token after the first, mean over one request (TPOT).",
    Method.RED,
    ("model",),
    TOKEN_SECONDS,
)
PHASE_DURATION = Metric(
    "llm_request_phase_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Seconds of a request's phases, which tile the request.",
    Method.RED,
    ("model", "phase"),
    PHASE_SECONDS,
)
REQUESTS = Metric(
    "llm_requests_total",
    Kind.COUNTER,
    "requests",
    "Requests that ended, by outcome and reason; ok with reason length is an answer cut short.",
    Method.RED,
    ("model", "operation", "outcome", "reason"),
)
TENANT_REQUESTS = Metric(
    "llm_tenant_requests_total",
    Kind.COUNTER,
    "requests",
    "The same requests by tenant.",
    Method.RED,
    ("tenant", "outcome"),
)
IN_FLIGHT = Metric(
    "llm_requests_in_flight",
    Kind.GAUGE,
    "requests",
    "Requests that were accepted and are not yet recorded.",
    Method.USE,
    ("model",),
)
OLDEST_WAITING = Metric(
    "llm_oldest_waiting_request_age_seconds",
    Kind.GAUGE,
    "seconds",
    "Age of the oldest request in flight that has no first token yet; 0 when there is none.",
    Method.USE,
    ("model",),
)
NOT_READY = Metric(
    "llm_server_not_ready",
    Kind.GAUGE,
    "boolean",
    "1 for the reason why GET /ready answers 503 now: starting, draining, engine_stalled, or "
    "engine_dead; 0 for all others, and for all of them while the server is ready.",
    Method.USE,
    ("reason",),
)
CLOCK = Metric(
    "llm_clock_seconds",
    Kind.GAUGE,
    "seconds",
    "What time it is for the server, in Unix seconds at the scrape: beside timestamp() of the same "
    "series it tells how far two machines' clocks are apart.",
    Method.TELEMETRY,
)
EVENT_LOOP_LAG = Metric(
    "llm_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Seconds that the API process's event loop wakes up late, sampled every 0.1 s.",
    Method.USE,
    (),
    LAG_SECONDS,
)
PROCESS_CPU = Metric(
    "llm_process_cpu_seconds_total",
    Kind.COUNTER,
    "seconds",
    "CPU seconds used by the API process (api) and by all processes below it (engine).",
    Method.USE,
    ("process",),
)
PROCESS_MEMORY = Metric(
    "llm_process_resident_memory_bytes",
    Kind.GAUGE,
    "bytes",
    "Resident bytes of the API process (api) and of all processes below it (engine).",
    Method.USE,
    ("process",),
)
TOKENS = Metric(
    "llm_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Tokens used by all requests whatever their outcome; the kinds are disjoint.",
    Method.USE,
    ("model", "kind"),
)
REQUEST_TOKENS = Metric(
    "llm_request_tokens",
    Kind.HISTOGRAM,
    "tokens",
    "Tokens that one request made the engine compute: uncached input and output.",
    Method.USE,
    ("model",),
    TOKENS_PER_REQUEST,
)
TENANT_TOKENS = Metric(
    "llm_tenant_tokens_total",
    Kind.COUNTER,
    "tokens",
    "The same tokens by tenant.",
    Method.COST,
    ("tenant", "kind"),
)
OBSERVER_ERRORS = Metric(
    "llm_observer_errors_total",
    Kind.COUNTER,
    "errors",
    "Errors inside our own hooks; no request failed by them.",
    Method.TELEMETRY,
    ("hook",),
)
TELEMETRY_ITEMS = Metric(
    "llm_telemetry_items_total",
    Kind.COUNTER,
    "items",
    "Spans and logs of the API process: made, delivered, or lost as failed or dropped.",
    Method.TELEMETRY,
    ("signal", "result"),
)

OWN: tuple[Metric, ...] = tuple(value for value in globals().values() if isinstance(value, Metric))
"""Every metric above; server/signals/instruments.py makes the instruments from them."""
