"""What an engine call was asked for, as numbers: vLLM's parameters hold callers' text as well."""

from collections.abc import Iterator
from typing import Any

NAMES = (
    "max_tokens", "temperature", "top_p", "top_k", "seed", "n", "frequency_penalty",
    "presence_penalty",
)  # fmt: skip
"""Of vLLM's SamplingParams, those that are numbers and have a name in OpenTelemetry."""
_NUMBERS = (int, float)
_INT64 = 2**63


def numbers(params: object) -> tuple[tuple[str, int | float], ...]:
    """Name and value of each parameter that is set; of pooling parameters, none."""
    found: Iterator[tuple[str, Any]] = ((name, getattr(params, name, None)) for name in NAMES)
    # OTLP has no larger integer; NaN and infinity are no JSON, and NaN is below nothing. A bool's
    # type is no int.
    return tuple(
        (name, value)
        for name, value in found
        if type(value) in _NUMBERS and -_INT64 < value < _INT64
    )
