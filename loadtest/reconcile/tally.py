"""Counts of requests, tokens and microdollars under the same names, of counters and of records."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from loadtest.reconcile.joined import count, number, reason
from stack.evidence.scrape import Sample
from stack.stores.protocol import LogRecord

Tally: TypeAlias = Mapping[str, float]
COUNTERS = ("llm_requests_total", "llm_tokens_total", "llm_cost_microdollars_total")
COST = "microdollars"
_LISTING = ("other", "complete")
"""Operation and reason of a list of models: the generator asks for one, and so does whoever looks
whether the server is up.
"""


def of_samples(samples: Iterable[Sample]) -> Tally:
    """What one scrape has counted."""
    found: dict[str, float] = {}
    for sample in samples:
        name = _name(sample)
        if name:
            found[name] = found.get(name, 0.0) + sample.value
    return found


def _name(sample: Sample) -> str:
    labels = sample.labels
    if sample.name == "llm_tokens_total":
        return f"tokens {labels['kind']}"
    if sample.name == "llm_cost_microdollars_total":
        return COST
    is_listing = (labels.get("operation"), labels.get("reason")) == _LISTING
    if sample.name != "llm_requests_total" or is_listing:
        return ""
    return f"requests {labels['outcome']}/{labels['reason']}"


def is_listing(record: LogRecord) -> bool:
    """True for a list of models, which no row of a run stands for."""
    return (record.fields.get("operation"), reason(record)) == _LISTING


def of_records(records: Iterable[LogRecord]) -> Tally:
    """What the counters would have counted of these requests."""
    found: dict[str, float] = {}
    for record in records:
        for name, value in () if is_listing(record) else _amounts(record):
            found[name] = found.get(name, 0.0) + value
    return found


def _amounts(record: LogRecord) -> Iterable[tuple[str, float]]:
    cached = count(record, "cached_input_tokens")
    yield f"requests {record.fields.get('outcome')}/{reason(record)}", 1
    yield "tokens input_uncached", count(record, "input_tokens") - cached
    yield "tokens input_cached", cached
    yield "tokens output", count(record, "output_tokens")
    yield COST, number(record.fields, "cost_microdollars") or 0.0


def plus(one: Tally, other: Tally) -> Tally:
    """The sum by name."""
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def less(one: Tally, other: Tally) -> Tally:
    """The difference by name."""
    return plus(one, {name: -value for name, value in other.items()})
