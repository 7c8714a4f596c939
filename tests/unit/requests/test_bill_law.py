"""The law of the bill: a body that vLLM accepts leaves one record, priced by what ran."""

import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.gateway.stream_errors import code_in
from server.pricing.request_cost import CostTracker
from server.record.request import Outcome, RequestRecord, Usage
from server.requests.models import Models
from tests.unit import seamed
from tests.unit import served as vllm
from tests.unit.asgi import CHAT, Install
from tests.unit.helpers import delta, entry, in_force, total
from tests.unit.served import ADAPTER, CACHED_TOKENS, NAMES, PROMPT_TOKENS, Served

PRICE = {NAMES[0]: 1, ADAPTER.lora_name: 2}
PRICES = (
    entry(NAMES[0], "1", "1", "1"),
    entry(NAMES[1], "7", "7", "7"),
    entry(ADAPTER.lora_name, "2", "2", "2"),
)
EXAMPLES, SERVED = 250, 50
ABSENT = object()
ODD = st.sampled_from(
    [ABSENT, None, 0, 1, 2, -1, 5, 5.0, 2.5, math.nan, math.inf, True, False, "", "0", "1", "5",
     "true", "false", "yes", "x", [], [1], {}, {"a": 1}, 10**30, "\ud800"]
)  # fmt: skip
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from([*NAMES, ADAPTER.lora_name, "", None, ABSENT, "unknown", 5]),
    "stream": st.sampled_from([True, False, 0, 1, "true", "no", None, ABSENT]),
    "max_tokens": st.sampled_from([1, 3, 40, "4", 5.0, None, ABSENT]),
    "max_completion_tokens": st.sampled_from([ABSENT, ABSENT, 2, "2"]),
    "n": st.sampled_from([ABSENT, 1, 2, 3, "2"]),
    "use_beam_search": st.sampled_from([ABSENT, ABSENT, True, "on"]),
    "stream_options": st.sampled_from([ABSENT, ABSENT, None, {"include_usage": True}]),
    "unknown": st.sampled_from([ABSENT, math.nan, "\ud800", {"model": "x"}, [0] * 99]),
    "usage": st.sampled_from([ABSENT, {"completion_tokens": 0}]),
    "messages": st.just([{"role": "user", "content": "hi"}]),
    "prompt": st.just("hi"),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A path and a body: most fields usual, some of any other type, in any order and encoding."""
    fields = {name: draw(usual) for name, usual in USUAL.items()}
    for name in draw(st.lists(st.sampled_from([*USUAL, "x"]), max_size=2)):
        fields[name] = draw(ODD)
    pairs = [(k, v) for k, v in draw(st.permutations(sorted(fields.items(), key=lambda i: i[0])))]
    twice = draw(st.lists(st.sampled_from(pairs), max_size=1))
    texts = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in [*pairs, *twice] if v is not ABSENT]
    encoding = draw(st.sampled_from(["utf-8", *ENCODINGS]))
    path = draw(st.sampled_from([CHAT, "/v1/completions"]))
    return path, ("{" + ", ".join(texts) + "}").encode(encoding)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    seamed.prepared(monkeypatch)
    app = vllm.served(monkeypatch)
    yield app
    assert app.statuses[200] > SERVED, "most bodies were refused: the law was hardly tried"


@pytest.fixture
def records(install: Install) -> list[RequestRecord]:
    return install(costs=CostTracker(in_force(*PRICES)), models=Models(NAMES))


def spent(**labels: str) -> Callable[[], float]:
    family = "llm_cost_microdollars"
    before = total(family, f"{family}_total", **labels)
    return lambda: total(family, f"{family}_total", **labels) - before


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example((CHAT, b"\xef\xbb\xbf{}"))
@example((CHAT, b""))
@example((CHAT, b"null"))
@given(bodies())
async def test_no_body_changes_what_it_costs(
    app: Served, records: list[RequestRecord], asked: tuple[str, bytes]
) -> None:
    records.clear()
    app.core.tokens.clear()
    app.core.ran.clear()
    sum_of_costs, tenant = spent(), delta("llm_tenant_cost_microdollars_total", tenant="default")
    unpriced = delta("llm_unpriced_requests_total", model="other")
    answer = await app.post(*asked)
    (record,) = records
    assert record.status_code == answer.status_code
    if answer.status_code != 200 or code_in(answer.content) is not None:
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
        assert (record.outcome, record.usage, sum_of_costs()) == (Outcome.CLIENT_ERROR, Usage(), 0)
        assert app.core.ran == []
        return
    if not app.core.ran:
        # Beams of no length: served, and nothing was made.
        assert (record.usage, sum_of_costs()) == (Usage(), 0)
        return
    (ran,) = set(app.core.ran)
    calls, made = len(app.core.tokens), sum(app.core.tokens)
    assert record.outcome is Outcome.OK
    assert (record.model, record.engine_model, record.tenant) == (ran, ran, "default")
    assert record.usage == Usage(calls * PROMPT_TOKENS, calls * CACHED_TOKENS, made)
    # A counter is a float: what it grew by depends on what stood in it before.
    price = pytest.approx(float(PRICE[ran] * Decimal(calls * PROMPT_TOKENS + made)), abs=1e-6)
    assert (sum_of_costs(), tenant()) == (price, price)
    assert record.stream is answer.headers["content-type"].startswith("text/event-stream")
    assert unpriced() == 0
