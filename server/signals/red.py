"""RED: rate, errors and duration of every request, whatever its outcome."""

from collections.abc import Collection, Iterator, Sequence
from itertools import product

from server.record.request import PHASES, Operation, Outcome, RequestRecord, Usage
from server.signals import instruments
from server.signals.labels import OTHER

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

BEFORE_MODEL = ("unknown_route", "method_not_allowed", "unsupported_operation", "invalid_json")
"""Reasons of requests that end before it is known which model they ask: its label is `other`."""
BY_ENGINE = ("stop", "length", "engine_dead", "engine_error", "engine_abort", "overloaded")
"""Reasons that only an engine call can give, and no unknown model gets as far as that."""
_WITHOUT_CALL = ("complete", "unknown_route", "method_not_allowed")
_UNSERVED = ("unsupported_operation", "killed")
"""How a call ends for which the served model has no task; a killed process may have served it."""

KINDS = ("input_uncached", "input_cached", "output")


def create_label_sets(
    models: Sequence[str], tenants: Sequence[str], operations: Collection[Operation]
) -> None:
    """Create every label set that can occur: increase() cannot see a new series' first increment.

    `operations` are those of the served models; `other` is whoever is unknown.
    """
    for model in models:
        _create_served(model, operations)
    _create_for_model(OTHER)
    for operation, outcome, reason in _without_model(operations):
        instruments.REQUESTS.labels(OTHER, operation, outcome, reason)
    for tenant in dict.fromkeys((*tenants, OTHER)):
        for outcome in Outcome:
            instruments.TENANT_REQUESTS.labels(tenant, outcome)
        for kind in KINDS:
            instruments.TENANT_TOKENS.labels(tenant, kind)


def ways() -> Iterator[tuple[Outcome, str]]:
    """Every outcome with each of its reasons."""
    return ((outcome, reason) for outcome, reasons in REASONS.items() for reason in reasons)


def _without_model(
    operations: Collection[Operation],
) -> Iterator[tuple[Operation, Outcome, str]]:
    for operation, (outcome, reason) in product(Operation, ways()):
        if operation is Operation.OTHER:
            can_be = reason not in BY_ENGINE
        elif operation in operations:
            can_be = reason not in (*BY_ENGINE, *_WITHOUT_CALL, "unsupported_operation")
        else:
            can_be = reason in _UNSERVED
        if can_be:
            yield operation, outcome, reason


def _create_served(model: str, operations: Collection[Operation]) -> None:
    _create_for_model(model)
    instruments.TIME_TO_FIRST_TOKEN.labels(model)
    instruments.TIME_PER_OUTPUT_TOKEN.labels(model)
    instruments.REQUEST_TOKENS.labels(model)
    for phase in PHASES:
        instruments.PHASE_DURATION.labels(model, phase)
    for operation, (outcome, reason) in product(operations, ways()):
        if reason not in BEFORE_MODEL:
            instruments.REQUESTS.labels(model, operation, outcome, reason)


def _create_for_model(model: str) -> None:
    instruments.IN_FLIGHT.labels(model)
    for kind in KINDS:
        instruments.TOKENS.labels(model, kind)
    for outcome in Outcome:
        instruments.REQUEST_DURATION.labels(model, outcome)


def observe(record: RequestRecord) -> None:
    """Feed the RED instruments, each observation with the trace_id as exemplar."""
    model, exemplar = record.model, {"trace_id": record.trace_id}
    instruments.REQUESTS.labels(model, record.operation, record.outcome, record.reason).inc()
    instruments.TENANT_REQUESTS.labels(record.tenant, record.outcome).inc()
    if record.duration_seconds is not None:
        duration = instruments.REQUEST_DURATION.labels(model, record.outcome)
        duration.observe(record.duration_seconds, exemplar)
    if record.time_to_first_token_seconds is not None:
        first = instruments.TIME_TO_FIRST_TOKEN.labels(model)
        first.observe(record.time_to_first_token_seconds, exemplar)
    if record.time_per_output_token_seconds is not None:
        each = instruments.TIME_PER_OUTPUT_TOKEN.labels(model)
        each.observe(record.time_per_output_token_seconds, exemplar)
    for phase in record.phases:
        if phase.complete:
            instruments.PHASE_DURATION.labels(model, phase.name).observe(phase.seconds, exemplar)
    _count_tokens(record)


def _count_tokens(record: RequestRecord) -> None:
    usage = record.usage
    amounts = (usage.uncached_input_tokens, usage.cached_input_tokens, usage.output_tokens)
    for kind, tokens in zip(KINDS, amounts, strict=True):
        instruments.TOKENS.labels(record.model, kind).inc(tokens)
        instruments.TENANT_TOKENS.labels(record.tenant, kind).inc(tokens)
    if usage != Usage():
        made = usage.uncached_input_tokens + usage.output_tokens
        instruments.REQUEST_TOKENS.labels(record.model).observe(made, {"trace_id": record.trace_id})
