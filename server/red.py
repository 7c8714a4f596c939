"""RED: rate, errors and duration of every request, whatever its outcome."""

from collections.abc import Sequence
from itertools import product

from server import metrics
from server.record import PHASES, Operation, Outcome, RequestRecord, Usage

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

KINDS = ("input_uncached", "input_cached", "output")


def create_label_sets(models: Sequence[str], tenants: Sequence[str]) -> None:
    """Create the known label sets: increase() cannot see a new series' first increment."""
    for model in models:
        _create_for_model(model)
    for tenant in tenants:
        for outcome in Outcome:
            metrics.TENANT_REQUESTS.labels(tenant, outcome)
        for kind in KINDS:
            metrics.TENANT_TOKENS.labels(tenant, kind)


def _create_for_model(model: str) -> None:
    metrics.IN_FLIGHT.labels(model)
    metrics.TIME_TO_FIRST_TOKEN.labels(model)
    metrics.TIME_PER_OUTPUT_TOKEN.labels(model)
    metrics.REQUEST_TOKENS.labels(model)
    for phase in PHASES:
        metrics.PHASE_DURATION.labels(model, phase)
    for kind in KINDS:
        metrics.TOKENS.labels(model, kind)
    for outcome, reasons in REASONS.items():
        metrics.REQUEST_DURATION.labels(model, outcome)
        for operation, reason in product((Operation.CHAT, Operation.TEXT_COMPLETION), reasons):
            metrics.REQUESTS.labels(model, operation, outcome, reason)


def observe(record: RequestRecord) -> None:
    """Feed the RED instruments, each observation with the trace_id as exemplar."""
    model, exemplar = record.model, {"trace_id": record.trace_id}
    metrics.REQUESTS.labels(model, record.operation, record.outcome, record.reason).inc()
    metrics.TENANT_REQUESTS.labels(record.tenant, record.outcome).inc()
    if record.duration_seconds is not None:
        duration = metrics.REQUEST_DURATION.labels(model, record.outcome)
        duration.observe(record.duration_seconds, exemplar)
    if record.time_to_first_token_seconds is not None:
        first = metrics.TIME_TO_FIRST_TOKEN.labels(model)
        first.observe(record.time_to_first_token_seconds, exemplar)
    if record.time_per_output_token_seconds is not None:
        each = metrics.TIME_PER_OUTPUT_TOKEN.labels(model)
        each.observe(record.time_per_output_token_seconds, exemplar)
    for phase in record.phases:
        if phase.complete:
            metrics.PHASE_DURATION.labels(model, phase.name).observe(phase.seconds, exemplar)
    _count_tokens(record)


def _count_tokens(record: RequestRecord) -> None:
    usage = record.usage
    amounts = (usage.uncached_input_tokens, usage.cached_input_tokens, usage.output_tokens)
    for kind, tokens in zip(KINDS, amounts, strict=True):
        metrics.TOKENS.labels(record.model, kind).inc(tokens)
        metrics.TENANT_TOKENS.labels(record.tenant, kind).inc(tokens)
    if usage != Usage():
        made = usage.uncached_input_tokens + usage.output_tokens
        metrics.REQUEST_TOKENS.labels(record.model).observe(made, {"trace_id": record.trace_id})
