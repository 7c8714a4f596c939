"""Small things that several unit tests share: records, settings, deltas of global instruments."""

import dataclasses
import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import REGISTRY

from server.pricing.price_entries import Entry
from server.pricing.price_list import PriceList
from server.record.request import GpuUse, Operation, Outcome, Phase, RequestRecord, Usage
from server.settings import Settings, read_settings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
GPU = GpuUse(500_000_000, 1234, 100, 20, (3, 4))
"""Half a second of device time, 1.234 µ$."""
STARTED_NS = 1_790_000_000_000_000_000


def settings(**changes: Any) -> Settings:
    return dataclasses.replace(read_settings({}), **changes)


def record(**changes: Any) -> RequestRecord:
    """A chat request of 1 s: 100 tokens in, 40 of them cached, 20 out."""
    plain = RequestRecord(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        tenant="default",
        model="tiny-llama",
        operation=Operation.CHAT,
        outcome=Outcome.OK,
        reason="stop",
        method="POST",
        route="/v1/chat/completions",
        status_code=200,
        stream=True,
        started_ns=STARTED_NS,
        duration_seconds=1.0,
        time_to_first_token_seconds=0.3,
        time_per_output_token_seconds=0.03,
        phases=(
            Phase("tokenize", 0.0, 0.1),
            Phase("queue", 0.1, 0.2),
            Phase("prefill", 0.2, 0.3),
            Phase("decode", 0.3, 0.9),
            Phase("deliver", 0.9, 1.0),
        ),
        usage=Usage(input_tokens=100, cached_input_tokens=40, output_tokens=20),
        finish_reasons=("stop",),
        response_id="chatcmpl-1",
        error_type=None,
    )
    return dataclasses.replace(plain, **changes)


def killed_record(**changes: Any) -> RequestRecord:
    """What the journal of a killed process yields: an end, but no times and no tokens."""
    lost: dict[str, Any] = {
        "outcome": Outcome.SERVER_ERROR,
        "reason": "killed",
        "status_code": None,
        "duration_seconds": None,
        "time_to_first_token_seconds": None,
        "time_per_output_token_seconds": None,
        "phases": (),
        "usage": Usage(),
        "finish_reasons": (),
        "response_id": None,
        "error_type": "killed",
    }
    return record(**{**lost, **changes})


def value(name: str, **labels: str) -> float:
    """The instrument's value now, 0.0 where the series does not exist."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Delta:
    """How much a series grew since the block began."""

    def __init__(self, name: str, labels: dict[str, str]) -> None:
        self._name = name
        self._labels = labels
        self._before = value(name, **labels)

    def __call__(self) -> float:
        return round(value(self._name, **self._labels) - self._before, 9)


def delta(name: str, **labels: str) -> Delta:
    return Delta(name, labels)


def total(family: str, sample: str, **labels: str) -> float:
    """The sum of a sample over every series that carries the labels."""
    found = (m for m in REGISTRY.collect() if m.name == family)
    return sum(
        s.value
        for metric in found
        for s in metric.samples
        if s.name == sample and labels.items() <= s.labels.items()
    )


@contextmanager
def hook_failures(hook: str, expected: int) -> Iterator[None]:
    """Hold that exactly so many errors of the hook are counted meanwhile."""
    grown = delta("llm_observer_errors_total", hook=hook)
    yield
    assert grown() == expected, f"errors counted of hook {hook}"


def state(
    prompt: int = 10,
    cached: int = 0,
    prefilling: bool = False,
    tokens: int = 1,
    scheduled: float = 0.0,
    first: float = 0.0,
    last: float = 0.0,
) -> Any:
    """One child's RequestState as far as we read it; times are monotonic seconds."""
    stats = SimpleNamespace(
        num_generation_tokens=tokens, scheduled_ts=scheduled, first_token_ts=first,
        last_token_ts=last,
    )  # fmt: skip
    return SimpleNamespace(
        request_id="engine-id",
        prompt_len=prompt,
        num_cached_tokens=cached,
        is_prefilling=prefilling,
        stats=stats,
    )


def entry(
    name: str, *amounts: str, since: str = "2026-01-01", currency: str = "USD", source: str = "s"
) -> Entry:
    """One entry of the price file, with the amounts of its kind."""
    numbers = tuple(Decimal(amount) for amount in amounts)
    return Entry(name, datetime.date.fromisoformat(since), source, currency, numbers)


def in_force(*models: Entry) -> Any:
    """A price file that holds these prices of models."""
    return SimpleNamespace(path=Path("prices.yaml"), current=PriceList(models))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


class Clock:
    """A monotonic clock that stands still until the test moves it; stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now
