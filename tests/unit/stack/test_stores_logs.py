"""Both log stores answer the same questions with the same records."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from stack.stores.loki import MOST_LINES, Loki
from stack.stores.protocol import EVERY, LogRecord, LogStore, Scope, StoreError, Window
from stack.stores.victorialogs import VictoriaLogs
from tests.unit.fake_store import CUT_OFF, Answer, FakeStore, as_json, as_lines, serving

TRACE, SPAN = "0123456789abcdef0123456789abcdef", "00000000000000aa"
WINDOW = Window(1_700_000_000.0, 1_700_003_600.0)
AT_NS = 1_700_000_123_456_789_012
FIELDS = {
    "event": "request_finished",
    "trace_id": TRACE,
    "span_id": SPAN,
    "duration_seconds": "2.9000000000000004",
    "output_tokens": "64",
    "status_code": "200",
    "stream": "true",
    "finish_reasons": '["length","stop"]',
    "tenant": "123",
}
EXPECTED = {
    **FIELDS,
    "duration_seconds": 2.9000000000000004,
    "output_tokens": 64,
    "status_code": 200,
    "stream": True,
    "finish_reasons": ["length", "stop"],
    "level": "INFO",
    "instance": "127.0.0.1:9464",
    "service_name": "llm-server",
}
HOSTILE = Scope(tenant='a"b|c.d', model="m")
Rows = list[tuple[int, str, dict[str, str]]]


def victorialogs(rows: Rows) -> Answer:
    resource = {"service.name": "llm-server", "service.instance.id": "127.0.0.1:9464"}
    return as_lines(
        *(
            {
                "_time": f"2023-11-14T22:15:23.{at % 10**9:09d}Z",
                "_stream": "{}",
                "_msg": text,
                "severity_text": "INFO",
                **resource,
                **fields,
            }
            for at, text, fields in rows
        )
    )


def loki(rows: Rows) -> Answer:
    resource = {"service_name": "llm-server", "service_instance_id": "127.0.0.1:9464"}
    found = [
        {
            "stream": {**resource, "severity_text": "INFO", **fields},
            "values": [[str(at), text]],
        }
        for at, text, fields in rows
    ]
    return as_json({"data": {"result": found}})


STORES: dict[str, tuple[Callable[[str], LogStore], Callable[[Rows], Answer]]] = {
    "victorialogs": (VictoriaLogs, victorialogs),
    "loki": (Loki, loki),
}
by_store = pytest.mark.parametrize("name", STORES)


@by_store
def test_a_record_comes_back_typed_with_its_ids_as_text(name: str) -> None:
    make, rows = STORES[name]
    with serving(lambda _, __: rows([(AT_NS, "request_finished ok", FIELDS)])) as store:
        (found,) = make(store.url).trace_records(TRACE, WINDOW)
    assert found == LogRecord(AT_NS, "request_finished ok", EXPECTED)
    assert found.event == "request_finished"
    assert TRACE in store.query["query"]


@by_store
def test_a_text_may_hold_letters_at_which_lines_could_be_split(name: str) -> None:
    make, rows = STORES[name]
    text = "one\u2028two\u0085three\x1cfour\nfive"
    with serving(lambda _, __: unescaped(rows([(AT_NS, text, FIELDS)]))) as store:
        (found,) = make(store.url).trace_records(TRACE, WINDOW)
    assert found.text == text


def unescaped(answer: Answer) -> Answer:
    """The answer with its letters as they are, as the stores send them."""
    status, body = answer
    for letter in ("\u2028", "\u0085"):
        body = body.replace(json.dumps(letter)[1:-1], letter)
    return status, body


@by_store
def test_an_id_of_digits_alone_is_no_number(name: str) -> None:
    make, rows = STORES[name]
    digits = {**FIELDS, "trace_id": "0" * 31 + "7", "tenant": "true", "response_id": "1e5"}
    with serving(lambda _, __: rows([(AT_NS, "", digits)])) as store:
        (found,) = make(store.url).newest_requests(EVERY, WINDOW, 5)
    assert [found.fields[key] for key in ("trace_id", "tenant", "response_id")] == [
        "0" * 31 + "7",
        "true",
        "1e5",
    ]


@by_store
def test_a_refusal_names_the_store_and_its_reason(name: str) -> None:
    make, _ = STORES[name]
    with serving(lambda _, __: (400, "cannot parse the query")) as store:
        for ask in (
            lambda logs: logs.trace_records(TRACE, WINDOW),
            lambda logs: logs.count("request_finished", WINDOW),
            lambda logs: list(logs.events(("request_finished",), WINDOW)),
            lambda logs: list(logs.alerts(WINDOW)),
        ):
            with pytest.raises(StoreError, match=r"(Loki|VictoriaLogs): .*400.*cannot parse"):
                ask(make(store.url))


@by_store
def test_alerts_are_not_the_servers(name: str) -> None:
    make, rows = STORES[name]
    record = (AT_NS, "firing: AlertTest", {"event": "alert_firing", "test_id": "0012"})
    with serving(lambda _, __: rows([record])) as store:
        found = next(iter(make(store.url).alerts(WINDOW)))
    assert (found.event, found.fields["test_id"]) == ("alert_firing", "0012")
    assert "alertmanager" in store.query["query"] and "llm-server" not in store.query["query"]


@by_store
def test_a_store_that_is_away_is_an_error_and_not_an_empty_answer(name: str) -> None:
    make, _ = STORES[name]
    with pytest.raises(StoreError, match="does not answer"):
        make("http://127.0.0.1:9").newest_requests(EVERY, WINDOW, 5)


@by_store
def test_an_answer_that_breaks_off_is_an_error_and_not_half_an_answer(name: str) -> None:
    make, _ = STORES[name]
    with serving(lambda _, __: (200, CUT_OFF)) as store, pytest.raises(StoreError, match="answer"):
        make(store.url).newest_requests(EVERY, WINDOW, 5)


@by_store
def test_a_window_holds_its_last_nanosecond(name: str) -> None:
    make, rows = STORES[name]
    with serving(lambda _, __: rows([])) as store:
        make(store.url).newest_requests(EVERY, WINDOW, 5)
    times = [int(store.query[key]) for key in ("start", "end")]
    assert times == [1_700_000_000 * 10**9, 1_700_003_600 * 10**9 + 1]


@by_store
def test_a_scope_narrows_and_everything_is_left_out(name: str) -> None:
    make, rows = STORES[name]
    with serving(lambda _, __: rows([])) as store:
        logs = make(store.url)
        logs.newest_requests(EVERY, WINDOW, 5)
        assert ".*" not in store.query["query"]
        logs.newest_requests(Scope(tenant="acme|other", instance="a:1"), WINDOW, 5)
        assert "acme|other" in store.query["query"]
        assert "model" not in store.query["query"]


def test_loki_gets_values_as_strings_whatever_is_in_them() -> None:
    with serving(lambda _, __: loki([])) as store:
        Loki(store.url).newest_requests(HOSTILE, WINDOW, 5)
    assert r'tenant=~"a\"b|c.d"' in store.query["query"]


def test_victorialogs_gets_values_as_strings_whatever_is_in_them() -> None:
    with serving(lambda _, __: victorialogs([])) as store:
        VictoriaLogs(store.url).newest_requests(HOSTILE, WINDOW, 5)
        assert r'"tenant":~"^(a\"b|c.d)$"' in store.query["query"]


def request(number: int, seconds: float) -> dict[str, Any]:
    ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    return {**FIELDS, **ids, "duration_seconds": repr(seconds)}


def loki_with(durations: list[float]) -> Callable[[str, dict[str, str]], Answer]:
    """A Loki that holds these requests, newest first, and keeps to its limit."""

    def answer(_: str, asked: dict[str, str]) -> Answer:
        above = float(asked["query"].rpartition("> ")[2])
        held = [(i, s) for i, s in enumerate(durations) if s > above][: int(asked["limit"])]
        return loki([(AT_NS - i, "", request(i, seconds)) for i, seconds in held])

    return answer


def slowest(store: FakeStore, most: int = 10) -> list[float]:
    found = Loki(store.url).worst_requests("duration_seconds", 0.5, EVERY, WINDOW, most)
    return [float(str(record.fields["duration_seconds"])) for record in found]


def test_loki_tells_the_worst_of_those_above_largest_first() -> None:
    with serving(loki_with([0.1, 0.6, 3.0, 0.2, 2.0])) as store:
        assert slowest(store) == [3.0, 2.0, 0.6]
    assert len(store.asked) == 1


def test_loki_finds_an_old_outlier_behind_a_crowd_of_newer_ones() -> None:
    crowd = [600.0 + i % 100 / 1000 for i in range(5 * MOST_LINES)]
    with serving(loki_with([*crowd, 900.0, 800.0])) as store:
        assert slowest(store) == [900.0, 800.0, *([600.099] * 8)]


def test_loki_ends_where_a_crowd_is_equally_bad() -> None:
    with serving(loki_with([600.0] * (2 * MOST_LINES))) as store:
        assert slowest(store, 3) == [600.0] * 3
    assert len(store.asked) == 2


def test_victorialogs_sorts_by_itself() -> None:
    with serving(lambda _, __: victorialogs([])) as store:
        logs = VictoriaLogs(store.url)
        assert logs.worst_requests("cost_microdollars", 1.5, EVERY, WINDOW, 10) == []
    assert store.query["query"].endswith(
        "cost_microdollars:>1.5 | sort by (cost_microdollars desc) limit 20"
    )


def test_loki_pages_events_and_tells_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten a page, of which several share one moment that a page may cut through.
    monkeypatch.setattr("stack.stores.loki._PAGE", 10)
    every = [(AT_NS + n // 3, "", request(n, 1.0)) for n in range(25)]

    def answer(_: str, asked: dict[str, str]) -> Answer:
        held = [row for row in every if row[0] >= int(asked["start"])]
        return loki(held[: int(asked["limit"])])

    with serving(answer) as store:
        found = list(Loki(store.url).events(("request_finished",), WINDOW))
    assert [one.fields["trace_id"] for one in found] == [f"{n:032x}" for n in range(25)]


def test_a_batch_that_was_delivered_twice_is_told_once() -> None:
    rows = [(AT_NS, "", request(n % 3, 1.0)) for n in range(6)]

    def answer(_: str, asked: dict[str, str]) -> Answer:
        return victorialogs(rows if int(asked["start"]) <= AT_NS < int(asked["end"]) else [])

    with serving(answer) as store:
        logs = VictoriaLogs(store.url)
        assert len(list(logs.events(("request_finished",), WINDOW))) == 3
        assert len(logs.worst_requests("duration_seconds", 0, EVERY, WINDOW, 10)) == 3
        assert len(list(logs.records(WINDOW))) == 3
        assert len(logs.newest_requests(EVERY, WINDOW, 10)) == 3
        assert len(logs.trace_records(TRACE, WINDOW)) == 3


def test_victorialogs_reads_all_records_in_slices_without_a_gap_and_sorts_none_of_them() -> None:
    asked: list[tuple[int, int]] = []

    def answer(_: str, parameters: dict[str, str]) -> Answer:
        assert "sort" not in parameters["query"], "it may sort no more than its memory allows"
        asked.append((int(parameters["start"]), int(parameters["end"])))
        return victorialogs([])

    with serving(answer) as store:
        assert list(VictoriaLogs(store.url).events(("request_finished",), WINDOW)) == []
    assert len(asked) == 7
    assert (asked[0][0], asked[-1][1]) == (1_700_000_000 * 10**9, 1_700_003_600 * 10**9 + 1)
    assert all(end == start for (_, end), (start, _) in pairwise(asked))


def test_quantiles_by_tenant_are_series_of_the_same_shape() -> None:
    points = [[1700000000, "0.5"], [1700000060, "0.75"]]
    series = {"metric": {"tenant": "acme"}, "values": points}
    rows = [
        {"_time": "2023-11-14T22:13:20Z", "tenant": "acme", "value": "0.75"},
        {"_time": "2023-11-14T22:12:20Z", "tenant": "acme", "value": "0.5"},
    ]
    asked = ("duration_seconds", 0.95, EVERY, WINDOW, 60.0)
    with serving(lambda _, __: as_json({"data": {"result": [series]}})) as store:
        found = Loki(store.url).tenant_quantile(*asked)
    with serving(lambda _, __: as_lines(*rows)) as store:
        assert VictoriaLogs(store.url).tenant_quantile(*asked) == found
    assert found == {"acme": [(1700000000.0, 0.5), (1700000060.0, 0.75)]}


def test_counts() -> None:
    with serving(lambda _, __: as_lines({"found": "412"})) as store:
        assert VictoriaLogs(store.url).count("request_finished", WINDOW) == 412
    sample = {"metric": {}, "value": [1700003600, "412"]}
    with serving(lambda _, __: as_json({"data": {"result": [sample]}})) as store:
        assert Loki(store.url).count("request_finished", WINDOW) == 412
    with serving(lambda _, __: as_json({"data": {"result": []}})) as store:
        assert Loki(store.url).count("request_finished", WINDOW) == 0
