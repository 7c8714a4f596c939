"""Both trace stores answer the same questions with the same spans."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from stack.stores.jaeger import Jaeger
from stack.stores.otlp import attributes
from stack.stores.protocol import EVERY, NotFound, Scope, Span, StoreError, TraceStore, Window
from stack.stores.tempo import Tempo
from tests.unit.fake_store import Answer, as_json, serving

TRACE = "00f067aa0ba902b700f067aa0ba902b7"
SERVER, CHILD = "00f067aa0ba902b7", "00f067aa0ba902b8"
WINDOW = Window(1_700_000_000.0, 1_700_003_600.0)
STORES: dict[str, Callable[[str], TraceStore]] = {"jaeger": Jaeger, "tempo": Tempo}
by_store = pytest.mark.parametrize("name", STORES)


def b64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def spans(of_id: Callable[[str], str], kinds: tuple[Any, Any], error: Any) -> dict[str, Any]:
    attributes = [
        {"key": "llm.tenant", "value": {"stringValue": "acme"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "64"}},
        {"key": "llm.cost.microdollars", "value": {"doubleValue": 27.5}},
        {"key": "gen_ai.request.stream", "value": {"boolValue": False}},
        {"key": "stop", "value": {"arrayValue": {"values": [{"stringValue": "length"}]}}},
    ]
    server = {
        **{"traceId": of_id(TRACE), "spanId": of_id(SERVER), "name": "POST /v1/x"},
        **{"kind": kinds[0], "startTimeUnixNano": "7", "endTimeUnixNano": "12"},
        **{"attributes": attributes, "status": {"code": error}},
    }
    child = {
        **{"traceId": of_id(TRACE), "spanId": of_id(CHILD), "parentSpanId": of_id(SERVER)},
        **{"kind": kinds[1], "name": "queue"},
        **{"startTimeUnixNano": "7", "endTimeUnixNano": "9"},
    }
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "llm-server"}}]}
    return {"resource": service, "scopeSpans": [{"spans": [child, server]}]}


ANSWERS = {
    "jaeger": {"result": {"resourceSpans": [spans(str, (2, 1), 2)]}},
    "tempo": {
        "batches": [spans(b64, ("SPAN_KIND_SERVER", "SPAN_KIND_INTERNAL"), "STATUS_CODE_ERROR")]
    },
}


@by_store
def test_both_spellings_of_a_trace_are_the_same_spans(name: str) -> None:
    with serving(lambda _, __: as_json(ANSWERS[name])) as store:
        server, child = STORES[name](store.url).trace(TRACE)
    assert server == Span(
        **{"trace_id": TRACE, "span_id": SERVER, "parent_id": "", "name": "POST /v1/x"},
        **{"kind": "server", "service": "llm-server", "start_ns": 7, "end_ns": 12},
        status="error",
        attributes={
            "llm.tenant": "acme",
            "gen_ai.usage.output_tokens": 64,
            "llm.cost.microdollars": 27.5,
            "gen_ai.request.stream": False,
            "stop": ["length"],
        },
    )
    assert (child.parent_id, child.kind, child.status) == (SERVER, "internal", "unset")


@pytest.mark.parametrize(
    "value",
    [
        {"arrayValue": {"values": [{"stringValue": "stop"}, {"stringValue": "length"}]}},
        {"stringValue": '["stop","length"]'},
    ],
)
def test_finish_reasons_are_a_list_however_a_store_keeps_one(value: dict[str, Any]) -> None:
    raw = {"attributes": [{"key": "gen_ai.response.finish_reasons", "value": value}]}
    assert attributes(raw) == {"gen_ai.response.finish_reasons": ["stop", "length"]}


@by_store
def test_a_trace_that_is_not_there_is_not_a_store_that_is_away(name: str) -> None:
    with serving(lambda _, __: (404, "trace not found")) as store, pytest.raises(NotFound):
        STORES[name](store.url).trace(TRACE)
    with serving(lambda _, __: (500, "disk full")) as store:
        with pytest.raises(StoreError, match="disk full") as failed:
            STORES[name](store.url).trace(TRACE)
        assert not isinstance(failed.value, NotFound)
    with pytest.raises(StoreError, match="does not answer"):
        STORES[name]("http://127.0.0.1:9").newest_requests(0.5, EVERY, WINDOW, 5)


def jaeger_trace(number: int, seconds: float, tenant: str, kind: str = "server") -> dict[str, Any]:
    tags = {"span.kind": kind, "llm.tenant": tenant, "llm.outcome": "ok"}
    span = {
        **{"traceID": f"{number:x}", "spanID": f"{number:016x}", "processID": "p1"},
        **{"startTime": 1_700_000_000_000_000 + number, "duration": int(seconds * 1e6)},
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    tags_of_process = [{"key": "service.instance.id", "value": "a:1"}]
    return {
        "spans": [span],
        "processes": {"p1": {"serviceName": "llm-server", "tags": tags_of_process}},
    }


def test_jaeger_searches_by_the_index_with_an_entry_a_request_and_applies_the_scope() -> None:
    traces = [
        jaeger_trace(1, 2.0, "acme"),
        jaeger_trace(2, 3.0, "acme"),
        jaeger_trace(3, 3.0, "acme two"),
        # Its trace has a span longer than asked for, its own request was short.
        jaeger_trace(4, 0.1, "acme"),
        jaeger_trace(5, 9.0, "acme", kind="client"),
    ]
    with serving(lambda _, __: as_json({"data": traces})) as store:
        found = Jaeger(store.url).newest_requests(1.5, Scope(tenant="(acme)"), WINDOW, 20)
    assert [one.trace_id for one in found] == [f"{2:032x}", f"{1:032x}"]
    assert (found[0].seconds, found[0].start_ns) == (3.0, 1_700_000_000_000_002_000)
    assert found[0].attributes["llm.outcome"] == "ok"
    assert store.query["tags"] == '{"span.kind": "server"}'
    assert store.query["minDuration"] == "1.500000s"


def test_jaeger_looks_up_what_is_equal_and_goes_on_where_a_page_had_no_match() -> None:
    every = [jaeger_trace(n, 2.0, "rare" if n < 3 else "common") for n in range(500)]

    def answer(_: str, asked: dict[str, str]) -> Answer:
        limit, end = int(asked["limit"]), int(asked["end"])
        held = [trace for trace in every if trace["spans"][0]["startTime"] <= end]
        return as_json({"data": held[::-1][:limit]})

    with serving(answer) as store:
        found = Jaeger(store.url).newest_requests(0.5, Scope(tenant="rare|none"), WINDOW, 20)
        assert [one.start_ns % 1_000_000 for one in found] == [2000, 1000, 0]
        assert len(store.asked) == 3
        Jaeger(store.url).newest_requests(0.5, Scope(tenant="rare", model=".*"), WINDOW, 3)
        assert store.query["tags"] == '{"llm.tenant": "rare"}'


def test_jaeger_does_not_skip_what_lies_between_two_requests_of_one_trace() -> None:
    every = [jaeger_trace(n, 2.0, "rare" if n < 3 else "common") for n in range(500)]
    agent = jaeger_trace(499, 2.0, "common")
    first = {**agent["spans"][0], "spanID": "ff", "startTime": 1_700_000_000_000_000}
    every[499] = {**agent, "spans": [*agent["spans"], first]}

    def answer(_: str, asked: dict[str, str]) -> Answer:
        end = int(asked["end"])
        held = [trace for trace in every if trace["spans"][0]["startTime"] <= end]
        return as_json({"data": held[::-1][: int(asked["limit"])]})

    with serving(answer) as store:
        found = Jaeger(store.url).newest_requests(0.5, Scope(tenant="rare|none"), WINDOW, 20)
    assert len(found) == 3


def test_jaeger_leaves_out_a_request_of_the_same_trace_outside_the_window() -> None:
    trace = jaeger_trace(7, 2.0, "acme")
    early = {**trace["spans"][0], "spanID": "ff", "startTime": 1_600_000_000_000_000}
    trace["spans"].append(early)
    with serving(lambda _, __: as_json({"data": [trace]})) as store:
        found = Jaeger(store.url).newest_requests(0.5, EVERY, WINDOW, 20)
    assert [one.start_ns for one in found] == [1_700_000_000_000_007_000]


def test_tempo_restores_the_zeros_that_its_search_leaves_out() -> None:
    span = {
        **{"spanID": "aa", "startTimeUnixNano": "1700000000000000001", "durationNanos": "5"},
        "attributes": [{"key": "llm.outcome", "value": {"stringValue": "ok"}}],
    }
    trace = {"traceID": "f067", "spanSets": [{"spans": [span]}]}
    with serving(lambda _, __: as_json({"traces": [trace]})) as store:
        (found,) = Tempo(store.url).newest_requests(0.5, Scope(tenant="acme"), WINDOW, 20)
    assert found.trace_id == "f067".zfill(32)
    assert found.attributes == {"llm.outcome": "ok"}
    assert 'span.llm.tenant =~ "acme"' in store.query["q"]
