"""RED: rate, errors and duration of every request, whatever its outcome."""

from collections.abc import Sequence

from server import metrics
from server.record import Operation, Outcome, RequestRecord

REASONS: dict[Outcome, tuple[str, ...]] = {
    Outcome.OK: ("stop", "length", "complete"),
    Outcome.CLIENT_ERROR: (
        "bad_request", "invalid_json", "unknown_model", "unknown_route", "method_not_allowed",
        "too_large", "auth", "unsupported_operation",
    ),
    Outcome.SERVER_ERROR: ("exception", "engine_dead", "engine_error", "overloaded", "killed"),
    Outcome.ABORTED: ("client_disconnect", "engine_abort"),
    Outcome.TIMEOUT: ("deadline",),
}  # fmt: skip
"""The bounded set of reasons by outcome; tests hold outcome.py to it."""

PHASES = ("tokenize", "queue", "prefill", "decode", "deliver")


def create_label_sets(models: Sequence[str], tenants: Sequence[str]) -> None:
    """Create the known label sets: increase() cannot see a new series' first increment."""
    operations = (Operation.CHAT, Operation.TEXT_COMPLETION)
    for model in models:
        metrics.IN_FLIGHT.labels(model)
        for phase in PHASES:
            metrics.PHASE_DURATION.labels(model, phase)
        for operation in operations:
            metrics.TIME_TO_FIRST_TOKEN.labels(model, operation)
            metrics.TIME_PER_OUTPUT_TOKEN.labels(model, operation)
            for outcome in Outcome:
                metrics.REQUEST_DURATION.labels(model, operation, outcome)
        for tenant in tenants:
            for operation in operations:
                _create_counters(model, tenant, operation)
            for kind in ("input_uncached", "input_cached", "output"):
                metrics.TOKENS.labels(model, tenant, kind)


def _create_counters(model: str, tenant: str, operation: Operation) -> None:
    for outcome, reasons in REASONS.items():
        for reason in reasons:
            metrics.REQUESTS.labels(model, tenant, operation, outcome, reason)


def observe(record: RequestRecord) -> None:
    """Feed the RED instruments, each observation with the trace_id as exemplar."""
    exemplar = {"trace_id": record.trace_id}
    model, operation = record.model, record.operation
    metrics.REQUESTS.labels(model, record.tenant, operation, record.outcome, record.reason).inc()
    if record.duration_seconds is not None:
        duration = metrics.REQUEST_DURATION.labels(model, operation, record.outcome)
        duration.observe(record.duration_seconds, exemplar)
    if record.time_to_first_token_seconds is not None:
        first = metrics.TIME_TO_FIRST_TOKEN.labels(model, operation)
        first.observe(record.time_to_first_token_seconds, exemplar)
    if record.time_per_output_token_seconds is not None:
        each = metrics.TIME_PER_OUTPUT_TOKEN.labels(model, operation)
        each.observe(record.time_per_output_token_seconds, exemplar)
    for phase in record.phases:
        if phase.complete:
            metrics.PHASE_DURATION.labels(model, phase.name).observe(phase.seconds, exemplar)
    _count_tokens(record)


def _count_tokens(record: RequestRecord) -> None:
    usage = record.usage
    kinds = {
        "input_uncached": usage.uncached_input_tokens,
        "input_cached": usage.cached_input_tokens,
        "output": usage.output_tokens,
    }
    for kind, tokens in kinds.items():
        metrics.TOKENS.labels(record.model, record.tenant, kind).inc(tokens)
