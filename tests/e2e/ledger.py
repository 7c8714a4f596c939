"""Compares the counters with what one request used: each must grow by exactly that."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml

from tests.conftest import REPO
from tests.e2e.client import poll
from tests.e2e.stores import Story, samples, total

COST = "llm_cost_microdollars_total"
GPU_COST = "llm_gpu_cost_microdollars_total"


def priced(model: str, uncached: int, cached: int, output: int) -> float:
    """Microdollars of these tokens by server/prices.yaml, worked out apart from the server."""
    entries = yaml.safe_load((REPO / "server" / "prices.yaml").read_text())["prices"]
    entry = next(e for e in reversed(entries) if fnmatchcase(model, e["model"]))
    tokens = {"input": uncached, "cached_input": cached, "output": output}
    return float(sum(Decimal(str(entry[kind])) * count for kind, count in tokens.items()))


@dataclass(frozen=True)
class Ledger:
    """The counters of one model and outcome as they stood before a request."""

    model: str
    outcome: str
    counts: dict[str, float]
    tokens: dict[str, float]

    @classmethod
    def open(cls, model: str, outcome: str) -> "Ledger":
        """Read the counters from the server itself."""
        return cls(model, outcome, samples(model=model, outcome=outcome), _tokens(model))

    def grown(self, name: str) -> float:
        """How much a counter of this model and outcome grew."""
        now = samples(model=self.model, outcome=self.outcome)
        return now.get(name, 0.0) - self.counts.get(name, 0.0)

    def check(self, finished: dict[str, Any]) -> None:
        """Hold one more request, its tokens and its cost against the request_finished record."""
        poll("the request in llm_requests_total", lambda: self.grown("llm_requests_total") or None)
        assert self.grown("llm_requests_total") == 1
        assert self.grown("gen_ai_server_request_duration_seconds_count") == 1
        cached, output = finished["cached_input_tokens"], finished["output_tokens"]
        uncached = finished["input_tokens"] - cached
        used = {"input_uncached": uncached, "input_cached": cached, "output": output}
        now = _tokens(self.model)
        assert {kind: now[kind] - self.tokens[kind] for kind in used} == used
        cost = priced(self.model, uncached, cached, output) if sum(used.values()) else 0.0
        assert self.grown(COST) == pytest.approx(cost, abs=1e-6)
        if sum(used.values()):
            assert finished["cost_microdollars"] == pytest.approx(cost, abs=1e-9)
            assert finished["gpu_cost_microdollars"] > 0
        device = finished.get("gpu_cost_microdollars") or 0.0
        # A scrape that has waited long enough for a slow disk shows what the books held before.
        close = pytest.approx(device, abs=1e-6)
        poll(f"{device} more in {GPU_COST}", lambda: self.grown(GPU_COST) == close)
        self._check_prometheus()

    def _check_prometheus(self) -> None:
        expected = samples(model=self.model, outcome=self.outcome).get(COST, 0.0)
        stored = f'sum({COST}{{model="{self.model}",outcome="{self.outcome}"}}) or vector(0)'
        poll(f"{COST} = {expected} in Prometheus", lambda: abs(total(stored) - expected) < 1e-6)


def _tokens(model: str) -> dict[str, float]:
    kinds = ("input_uncached", "input_cached", "output")
    return {kind: samples(model=model, kind=kind).get("llm_tokens_total", 0.0) for kind in kinds}


def unheard(tokens: int) -> list[int]:
    """A prompt of so many token ids of the embedded model that nobody ever sent: none is cached."""
    return [random.randrange(100, 4000) for _ in range(tokens)]


def assert_tiles(story: Story) -> None:
    """The phases follow each other without gap or overlap and fill the SERVER span."""
    edges = [story.phases[0].start_ns, *(phase.end_ns for phase in story.phases)]
    for phase, begin in zip(story.phases, edges, strict=False):
        apart = abs(phase.start_ns - begin)
        assert apart <= 1000, f"{phase.name} does not begin where the last ended"
        assert phase.end_ns >= phase.start_ns, f"{phase.name} ends before it begins"
    assert abs(edges[0] - story.server.start_ns) <= 1000
    assert abs(edges[-1] - story.server.end_ns) <= 1000


def assert_same_call(span: Mapping[str, Any], line: Mapping[str, Any]) -> None:
    """Trace and record say the same of what the model was asked for and of its answer."""
    assert span["gen_ai.operation.name"] == line["operation"]
    assert span["gen_ai.request.model"] == line["model"]
    assert span["gen_ai.request.stream"] == line["stream"]
    # The second where callers count their tokens themselves.
    usage = "gen_ai.usage" if "gen_ai.usage.input_tokens" in span else "llm.usage"
    assert int(span[f"{usage}.input_tokens"]) == line["input_tokens"]
    assert int(span[f"{usage}.output_tokens"]) == line["output_tokens"]
    # Neither store keeps an empty list as one.
    reasons = span.get("gen_ai.response.finish_reasons") or []
    assert reasons == (line.get("finish_reasons") or [])


def assert_same_in_span_and_line(story: Story) -> None:
    """Trace and record say the same of the request."""
    line, span = story.finished, story.server.attributes
    assert story.server.service == "llm-server"
    assert (span["llm.outcome"], span["llm.reason"]) == (line["outcome"], line["reason"])
    if line["operation"] == "other":
        assert not [name for name in span if name.startswith("gen_ai.")]
    else:
        assert_same_call(span, line)
    assert span.get("llm.cost.microdollars") == pytest.approx(line.get("cost_microdollars"))
    device = line.get("gpu_cost_microdollars")
    assert span.get("llm.gpu.cost.microdollars") == pytest.approx(device)
    assert span.get("llm.gpu.seconds") == pytest.approx(line.get("gpu_seconds"))
    assert span["llm.tenant"] == line["tenant"]
    assert line["span_id"] == story.server.span_id
    seconds = (story.server.end_ns - story.server.start_ns) / 1e9
    assert line["duration_seconds"] == pytest.approx(seconds, abs=1e-6)


def assert_absent(marker: str, *texts: str) -> None:
    """The caller's text stands in none of the texts."""
    for text in texts:
        at = text.find(marker)
        # Not the text itself: it would print what must not be stored.
        assert at < 0, (
            f"the caller's text was stored, near ...{json.dumps(text[max(0, at - 80) : at])}"
        )
