"""What an engine call was asked for, as numbers: vLLM's parameters hold callers' text as well."""

from typing import TypeGuard

NAMES = (
    "max_tokens", "temperature", "top_p", "top_k", "seed", "n", "frequency_penalty",
    "presence_penalty",
)  # fmt: skip
"""Of vLLM's SamplingParams, those that are numbers and have a name in OpenTelemetry."""
_INT64 = 2**63


def numbers(params: object) -> tuple[tuple[str, int | float], ...]:
    """Name and value of each parameter that is set; of pooling parameters, none."""
    found = ((name, getattr(params, name, None)) for name in NAMES)
    return tuple((name, value) for name, value in found if _is_sendable(value))


def _is_sendable(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # OTLP has no larger integer; NaN and infinity are no JSON, and NaN is below nothing.
    return -_INT64 < value < _INT64
