"""Whatever callers invent, /metrics stays countable: through the real middleware and registry."""

import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from server.gateway import middleware as http
from server.gateway.api_keys import Tenants
from server.requests.models import Models
from server.signals import red
from tests.unit.asgi import gate

REPO = Path(__file__).parents[3]
KEY = "a-known-key"
FLOOD = 10_000
BUDGET_SERIES = 4_500
NOT_OURS = 450
"""Room for vLLM 0.32.0 with our grids and for Python: 421 series on a live server."""


async def vllm(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers as vLLM does to a model that it does not serve."""
    await receive()
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture
def middleware(monkeypatch: pytest.MonkeyPatch) -> http.Middleware:
    tenants = Tenants({hashlib.sha256(KEY.encode()).hexdigest(): "team"})
    made = gate(tenants, models=Models(["served"]))
    made.observer.create_label_sets()
    monkeypatch.setattr(http, "_gate", made)
    return http.Middleware(vllm)


def invented() -> Iterator[tuple[str, str, str, str]]:
    """Method, path, key and model of requests of which each invents one thing, then all."""
    chat = "/v1/chat/completions"
    while True:
        word = secrets.token_hex(8)
        yield "POST", chat, KEY, word
        yield "POST", f"/{word}", KEY, "served"
        yield "POST", chat, word, "served"
        yield word.upper(), chat, KEY, "served"
        yield word.upper(), f"/v1/{word}", word, word


async def send_flood(middleware: http.Middleware, requests: int) -> None:
    for _, what in zip(range(requests), invented(), strict=False):
        await exchange(middleware, *what)


async def exchange(
    middleware: http.Middleware, method: str, path: str, key: str, model: str
) -> None:
    body = json.dumps({"model": model, "messages": []}).encode()
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"user-agent", model.encode())]
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await middleware(scope, receive, send)  # type: ignore[arg-type]


def series() -> set[tuple[str, ...]]:
    return {
        (sample.name, *map(str, sorted(sample.labels.items())))
        for family in REGISTRY.collect()
        for sample in family.samples
    }


async def test_a_flood_of_names_adds_nothing(middleware: http.Middleware) -> None:
    before = series()
    await send_flood(middleware, FLOOD)
    assert series() == before
    requests = sum(
        sample.value
        for family in REGISTRY.collect()
        if family.name == "llm_requests"
        for sample in family.samples
        if sample.labels["outcome"] == "client_error"
    )
    assert requests >= FLOOD, "the flood did not pass the recorder"


@pytest.mark.parametrize("task", ["generate", "embed"])
def test_no_series_begins_with_an_increment(task: str) -> None:
    command = [sys.executable, "-m", "tests.unit.firsts", task]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["new"] == []
    every = {reason for _, reason in red.ways()}
    assert set(found["reasons"]) == every - ({"killed"} if task == "embed" else set())


def exposed(tenants: int, models: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.unit.exposed", str(tenants), str(models), "1"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_fifty_tenants_and_four_models_stay_below_4500_series() -> None:
    # The 50 ms that they stand for are measured by tests/bench/hot_paths.py: a machine may be slow.
    assert exposed(50, 4)["series"] + NOT_OURS < BUDGET_SERIES


def test_more_tenants_than_the_bound_share_other() -> None:
    from server.signals.labels import MAX_VALUES, Bounded

    bounded = Bounded(f"tenant-{number}" for number in range(10 * MAX_VALUES))
    assert len(bounded.values) == MAX_VALUES
    assert bounded.label(f"tenant-{MAX_VALUES}") == "other"
