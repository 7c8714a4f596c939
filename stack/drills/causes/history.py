"""A past that an alert compares with: samples of a time before the drill, given to Prometheus."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stack.drills.pages import Series, recorded, rising
from stack.drills.scene import Scene
from stack.errors import Fault
from stack.http import answered
from stack.request.signals import PROMETHEUS

STEP_SECONDS = 0.02
"""So that the shortened day of CostSpike holds the 1440 evaluations for which it asks."""
PAST_SECONDS = 240.0
_USUAL, _SPIKE = 1.0, 2000.0
"""Microdollars a second: a dollar an hour is 278."""


def document(
    name: str, labels: Mapping[str, str], value: float, start: float, end: float
) -> dict[str, Any]:
    """A gauge with one value from start to end (Unix seconds), as OTLP's JSON."""
    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in labels.items()]
    steps = range(int((end - start) / STEP_SECONDS))
    points = [
        {
            "attributes": attributes,
            "timeUnixNano": str(int((start + step * STEP_SECONDS) * 1e9)),
            "asDouble": value,
        }
        for step in steps
    ]
    metric = {"name": name, "gauge": {"dataPoints": points}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


@contextmanager
def spend_grows(scene: Scene) -> Iterator[None]:
    """A model costs 2000 times what it did in the time before."""
    now = time.time()
    labels = {"model": "drill"}
    name = "model:llm_cost_microdollars:rate5m"
    past = document(name, labels, _USUAL, now - PAST_SECONDS, now)
    url = f"{PROMETHEUS}/api/v1/otlp/v1/metrics"
    status, why = answered(url, json.dumps(past).encode(), timeout=30.0)
    if status != 200:
        raise Fault(f"Prometheus took no samples of the past: {why}", "`make status`")
    spend = Series('llm_cost_microdollars_total{model="drill"}', rising(_SPIKE))
    with scene.target(recorded(spend), "llm-server", "drill-history"):
        yield
