"""A bill follows what the engine ran: no spelling of a body changes model, tokens or price."""

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from server.pricing.request_cost import CostTracker
from server.record.request import RequestRecord, Usage
from server.requests.models import Models
from server.signals.labels import MAX_VALUES
from tests.unit import served as vllm
from tests.unit.asgi import CHAT, Install
from tests.unit.helpers import delta, entry, in_force, value
from tests.unit.served import ADAPTER, CACHED_TOKENS, NAMES, PROMPT_TOKENS, Queue, Served

BASE = {"model": NAMES[0], "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
PRICES = (entry(NAMES[0], "1", "1", "1"), entry(NAMES[1], "9", "9", "9"))
COST = PROMPT_TOKENS + 5


def _text(**fields: Any) -> str:
    return json.dumps({**BASE, **fields})


ODD = {
    "stream 0": _text(stream=0).encode(),
    "stream 1": _text(stream=1).encode(),
    "stream as text": _text(stream="true").encode(),
    "a byte order mark": b"\xef\xbb\xbf" + _text().encode(),
    "UTF-16": _text().encode("utf-16"),
    "UTF-32": _text().encode("utf-32"),
    "no name": _text(model="").encode(),
    "null": _text(model=None).encode(),
    "an alias": _text(model=NAMES[1]).encode(),
    "NaN": _text(unknown=float("nan")).encode(),
    "twice": _text().encode()[:-1] + b', "model": "tiny-llama"}',
}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Served:
    return vllm.served(monkeypatch)


def priced(install: Install, *prices: Any, models: Models | None = None) -> list[RequestRecord]:
    costs = CostTracker(in_force(*(prices or PRICES)))
    return install(costs=costs, models=models or Models(NAMES))


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_body_that_vllm_serves_is_billed_to_what_ran(
    app: Served, install: Install, name: str
) -> None:
    records = priced(install)
    spent = delta("llm_cost_microdollars_total", model=NAMES[0], outcome="ok")
    tenant = delta("llm_tenant_cost_microdollars_total", tenant="default")
    answer = await app.post(CHAT, ODD[name])
    assert answer.status_code == 200, answer.text
    (record,) = records
    assert (record.model, record.engine_model) == (NAMES[0], NAMES[0])
    assert record.usage == Usage(PROMPT_TOKENS, CACHED_TOKENS, 5)
    assert (spent(), tenant()) == (COST, COST)
    streams = answer.headers["content-type"].startswith("text/event-stream")
    assert record.stream is streams


@pytest.mark.parametrize("asked", [True, False])
async def test_whether_it_streams_is_what_came_back(
    app: Served, install: Install, asked: bool
) -> None:
    records = priced(install)
    answer = await app.post(CHAT, _text(stream=asked).encode())
    assert answer.text.startswith("data: ") is asked
    assert records[0].stream is asked


async def test_a_refused_body_is_labelled_by_what_it_asks_for(
    app: Served, install: Install
) -> None:
    records = priced(install)
    await app.post(CHAT, _text(model=NAMES[1], messages=5).encode())
    await app.post(CHAT, _text(model="unknown").encode())
    await app.post(CHAT, b'{"model": ' + b"[" * 100_000)
    assert [(r.model, r.reason, r.engine_model) for r in records] == [
        (NAMES[0], "bad_request", None),
        ("other", "unknown_model", None),
        ("other", "invalid_json", None),
    ]


async def test_an_adapter_loaded_later_has_a_label_of_its_own_from_its_first_call(
    app: Served, install: Install
) -> None:
    adapter = ADAPTER.lora_name
    records = priced(install, entry(adapter, "2", "2", "2"), models=Models(NAMES))
    spent = delta("llm_cost_microdollars_total", model=adapter, outcome="ok")
    await app.post(CHAT, _text(model=adapter).encode())
    assert (records[0].model, records[0].engine_model, spent()) == (adapter, adapter, 2 * COST)
    labels = {"model": adapter, "outcome": "server_error", "reason": "killed", "operation": "chat"}
    assert REGISTRY.get_sample_value("llm_requests_total", labels) == 0
    assert value("llm_requests_in_flight", model=adapter) == 0
    assert value("llm_requests_in_flight", model="other") == 0


async def test_names_that_vllm_was_told_not_to_check_are_the_base_model(
    app: Served, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_SKIP_MODEL_NAME_VALIDATION", "1")
    records = priced(install)
    answer = await app.post(CHAT, _text(model="whatever").encode())
    assert (answer.status_code, records[0].model) == (200, NAMES[0])


FULL = [f"adapter-{number}" for number in range(MAX_VALUES)]


async def test_beyond_the_labels_the_price_is_still_that_of_what_ran(
    app: Served, install: Install
) -> None:
    name = ADAPTER.lora_name
    records = priced(install, entry(name, "3", "3", "3"), models=Models(NAMES, FULL))
    spent = delta("llm_cost_microdollars_total", model="other", outcome="ok")
    await app.post(CHAT, _text(model=name).encode())
    assert (records[0].model, records[0].engine_model, spent()) == ("other", name, 3 * COST)


async def test_beyond_the_labels_what_has_no_price_is_counted_and_named(
    app: Served, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    priced(install, models=Models(NAMES, FULL))
    unpriced = delta("llm_unpriced_requests_total", model="other")
    await app.post(CHAT, _text(model=ADAPTER.lora_name).encode())
    assert unpriced() == 1
    assert f"model {ADAPTER.lora_name} has no price" in caplog.text


async def test_the_gauge_moves_to_what_the_engine_runs(
    app: Served, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Unknown by name until the engine took it: the adapter was loaded a moment ago.
    priced(install)
    seen: list[tuple[float, float]] = []
    gauges = [delta("llm_requests_in_flight", model=m) for m in ("other", ADAPTER.lora_name)]

    def look() -> None:
        seen.append((gauges[0](), gauges[1]()))

    original = Queue.get

    async def get(queue: Queue) -> Any:
        look()
        return await original(queue)

    monkeypatch.setattr(Queue, "get", get)
    await app.post(CHAT, _text(model=ADAPTER.lora_name).encode())
    look()
    assert seen == [(0, 1), (0, 0)]


def test_an_alias_has_no_label_and_an_adapter_has() -> None:
    models = Models(["a", "b"], ["lora"])
    assert models.values == ("a", "lora")
    asked = [models.asked(n) for n in ("a", "b", "lora", "x", None, "", 0, 5, ["a"], {"a": 1})]
    assert asked == ["a", "a", "lora", "other", "a", "a", "a", "other", "other", "other"]


def test_labels_are_admitted_until_there_is_no_room() -> None:
    models = Models(["a"])
    assert all(models.admit(f"lora-{n}") for n in range(MAX_VALUES - 1))
    assert models.used == models.values
    # The first that there is no room for is `other`, whose label sets have to be made once too.
    assert [models.admit(f"lora-{n}") for n in (49, 50, 49)] == [True, False, False]
    assert models.used == (*models.values, "other")
    assert not models.admit("lora-1")
    assert not models.admit(None)
    assert (models.ran("lora-48"), models.ran("lora-49"), models.ran(None)) == (
        "lora-48",
        "other",
        "a",
    )
