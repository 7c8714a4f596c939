"""Sends odd and hostile bodies to a running server, then audits what each has left behind.

`python -m tests.bench.fuzz --bodies 2000`; nobody else may use the server meanwhile. Exit code 1:
the engine died (the bodies are printed), or records, costs or labels are not what they have to be.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from server.gateway.stream_errors import code_in
from server.pricing.price_list import read_prices, today
from server.record.request import Operation, Outcome
from server.signals import red
from tests.bench.fuzz_bodies import CHAT, MESSAGES, Bodies, Body, killers

API, METRICS = "http://127.0.0.1:8000", "http://127.0.0.1:9464/metrics"
PRICES = Path(__file__).parents[2] / "server" / "prices.yaml"
SHOWN = 800
EVERY = 25
"""Bodies between two looks whether the engine is alive."""
PATIENCE_SECONDS = 15.0
BOUNDED = {
    "model": {"other"},
    "tenant": {"other", "default"},
    "outcome": {outcome.value for outcome in Outcome},
    "operation": {operation.value for operation in Operation},
    "reason": set(chain.from_iterable(red.REASONS.values())),
}
"""Label values that may appear at any time; every other one has to be there at the start."""

Series = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Findings:
    """What came back, which bodies were answered 5xx (vLLM's own faults), and what is wrong."""

    ends: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Fuzz:
    """One run against one server."""

    def __init__(self, api: str, metrics: str) -> None:
        self._http = httpx.Client(base_url=api, timeout=120, trust_env=False)
        self._metrics = metrics
        self.model: str = self._http.get("/v1/models").raise_for_status().json()["data"][0]["id"]
        self.found = Findings()

    def run(self, bodies: Iterable[Body]) -> Findings:
        """Send the bodies and audit what they left; stops at the first death of the engine."""
        before = self._series()
        recent: list[Body] = []
        for number, body in enumerate(bodies, 1):
            recent.append(body)
            alive = self._send(body) < 500
            if not alive or number % EVERY == 0:
                if not self._alive():
                    self._died(recent)
                    return self.found
                recent.clear()
        self._audit(before)
        return self.found

    def _send(self, body: Body) -> int:
        headers = {"content-type": "application/json"}
        try:
            answer = self._http.post(body.path, content=body.content, headers=headers)
        except httpx.HTTPError as error:
            self.found.problems.append(f"{type(error).__name__} instead of an answer: {body}")
            return 599
        self.found.statuses[answer.status_code] += 1
        code = code_in(answer.content) or answer.status_code
        self.found.ends[
            "ok" if code < 400 else "client_error" if code < 500 else "server_error"
        ] += 1
        if code >= 500:
            self.found.failures.append(f"answered {code}: {_shown(body)}")
        return code

    def _alive(self) -> bool:
        try:
            healthy = self._http.get("/health").status_code == 200
        except httpx.HTTPError:
            return False
        good = {"model": self.model, "messages": MESSAGES, "max_tokens": 2}
        return healthy and self._send(Body("good", CHAT, json.dumps(good).encode())) == 200

    def _died(self, suspects: list[Body]) -> None:
        shown = "\n".join(_shown(body) for body in suspects)
        self.found.problems.append(f"the engine died of the last of these, or one before:\n{shown}")

    def _series(self) -> Series:
        text = httpx.get(self._metrics, trust_env=False).raise_for_status().text
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("llm_")
        }

    def _audit(self, before: Series) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while (after := self._series()) and time.monotonic() < until:
            if sum(_by(before, after, "llm_requests_total", "outcome").values()) >= sum(
                self.found.ends.values()
            ):
                break
            time.sleep(0.2)
        self._audit_records(before, after)
        self._audit_costs(before, after)
        self._audit_labels(before, after)

    def _audit_records(self, before: Series, after: Series) -> None:
        counted = _by(before, after, "llm_requests_total", "outcome")
        if {k: v for k, v in counted.items() if v} != dict(self.found.ends):
            self.found.problems.append(f"counted {dict(counted)}, answered {dict(self.found.ends)}")
        waiting = sum(v for (name, _), v in after.items() if name == "llm_requests_in_flight")
        if waiting:
            self.found.problems.append(f"{waiting:g} requests are still in flight")

    def _audit_costs(self, before: Series, after: Series) -> None:
        price = read_prices(PRICES).model_price(self.model, today())
        if price is None:
            self.found.problems.append(
                f"{self.model} has no price: nothing to hold its cost against"
            )
            return
        rates = {
            "input_uncached": price.input, "input_cached": price.cached_input,
            "output": price.output,
        }  # fmt: skip
        tokens = _by(before, after, "llm_tokens_total", "kind", model=self.model)
        due = sum(float(rates[kind]) * count for kind, count in tokens.items())
        for name in ("llm_cost_microdollars_total", "llm_tenant_cost_microdollars_total"):
            billed = sum(_by(before, after, name, "").values())
            if not due or not math.isclose(billed, due, rel_tol=1e-9, abs_tol=1e-6):
                self.found.problems.append(f"{name} grew by {billed}, tokens x price are {due}")
        elsewhere = sum(_by(before, after, "llm_tokens_total", "kind", model="other").values())
        unpriced = sum(_by(before, after, "llm_unpriced_requests_total", "model").values())
        if elsewhere or unpriced:
            self.found.problems.append(f"{elsewhere:g} tokens of other, {unpriced:g} unpriced")

    def _audit_labels(self, before: Series, after: Series) -> None:
        known: defaultdict[str, set[str]] = defaultdict(set)
        for _, labels in before:
            for label, value in labels:
                known[label].add(value)
        for name, labels in after:
            for label, value in labels:
                if value not in known[label] | BOUNDED.get(label, set()):
                    self.found.problems.append(
                        f"{name} has {label}={value!r}, which is not bounded"
                    )


def _by(before: Series, after: Series, name: str, label: str, **wanted: str) -> Mapping[str, float]:
    """How much the series of a name grew, by one label."""
    grown: defaultdict[str, float] = defaultdict(float)
    for (found, labels), value in after.items():
        if found == name and wanted.items() <= dict(labels).items():
            grown[dict(labels).get(label, "")] += value - before.get((found, labels), 0.0)
    return grown


def _shown(body: Body) -> str:
    return f"[{body.name}] POST {body.path} {body.content[:SHOWN]!r}"


def bodies(model: str, seed: int, count: int) -> Iterable[Body]:
    """Every known killer, then so many made ones."""
    return chain(killers(model), islice(Bodies(seed, model), count))


def main() -> int:
    """Run the fuzz and print its findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=API)
    parser.add_argument("--metrics", default=METRICS)
    parser.add_argument("--bodies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fuzz = Fuzz(options.url, options.metrics)
    found = fuzz.run(bodies(fuzz.model, options.seed, options.bodies))
    print(f"answered {dict(found.statuses)}, ended {dict(found.ends)}")
    print("\n".join(found.failures))
    print("\n".join(found.problems) or "engine alive, records = requests, costs = tokens x price")
    return int(bool(found.problems))


if __name__ == "__main__":
    sys.exit(main())
