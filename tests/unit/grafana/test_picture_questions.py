"""What a picture asks of logs and traces: by name, with the board's variables, of any store."""

from collections.abc import Iterator
from typing import Any

import pytest

from grafana.pictures import board, evaluate, shapes, values
from grafana.pictures.__main__ import missing
from grafana.pictures.board import Board
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.questions import QUESTIONS, Asked
from grafana.pictures.stores import Stores
from stack.errors import Fault
from stack.stores.protocol import EVERY, Scope, Window
from tests.unit.picture_stores import NOW, TRACE, Logs, Traces, answering, finished

WINDOW = Window(NOW - 1800, NOW)


@pytest.fixture
def stores() -> Iterator[Stores]:
    with answering() as found:
        yield found


def explorer() -> Board:
    return next(each for each in board.load() if each.uid == "llm-requests")


def opened(stores: Stores, **chosen: str) -> Page:
    return evaluate.page(stores, explorer(), NOW, chosen)


def answer(page: Page, title: str) -> Answer:
    return next(each for each in page.answers if each.panel.title == title)


def logs(stores: Stores) -> Logs:
    assert isinstance(stores.logs, Logs)
    return stores.logs


def traces(stores: Stores) -> Traces:
    assert isinstance(stores.traces, Traces)
    return stores.traces


def test_each_question_is_asked_by_a_board_and_each_board_asks_only_those() -> None:
    asked = {
        target["refId"]
        for one in board.load()
        for panel in one.panels
        for target in panel.targets
        if target["datasource"]["uid"] in ("loki", "tempo")
    }
    assert asked == set(QUESTIONS)


def test_the_slowest_are_asked_for_above_the_edge_that_prometheus_tells(stores: Stores) -> None:
    page = opened(stores, tenant="acme", outcome="ok")
    scope = Scope(tenant="acme", outcome="ok")
    assert logs(stores).asked[0] == ("worst_requests", "duration_seconds", 1.0, scope, WINDOW, 10)
    assert logs(stores).asked[1] == ("worst_requests", "cost_microdollars", 1.0, scope, WINDOW, 10)
    found = answer(page, "Slowest requests")
    assert found.queries == ["slowest_requests slow_edge=1.0 tenant=acme outcome=ok",
                             "slowest_outliers"]  # fmt: skip
    assert found.data.rows[0] == {
        "Duration": 9.5,
        "Trace": TRACE,
        "Outcome": "ok",
        "Tenant": "acme",
    }
    assert [row["Duration"] for row in found.data.rows] == [9.5, 3.0]


def test_without_a_chosen_trace_the_lower_half_shows_the_slowest(stores: Stores) -> None:
    page = opened(stores)
    assert page.values["trace"] == TRACE
    assert traces(stores).asked[0] == ("trace", TRACE)
    spans = answer(page, "Trace of the chosen request").data.spans
    assert [span.name for span in spans] == ["POST /v1", "queue", "decode"]
    lines = answer(page, "Log lines of the chosen request").data.lines
    assert [line.text for line in lines] == ["the last", "the first"]


def test_a_chosen_trace_stays_chosen(stores: Stores) -> None:
    page = opened(stores, trace="f" * 32)
    assert page.values["trace"] == "f" * 32
    assert ("trace_records", "f" * 32) in logs(stores).asked


def test_a_chosen_trace_that_is_gone_says_so(stores: Stores) -> None:
    found = answer(opened(stores, trace="0" * 32), "Trace of the chosen request")
    assert (found.error, found.missing) == (f"no trace {'0' * 32}", True)


def test_without_any_request_no_store_is_asked_for_a_trace(stores: Stores) -> None:
    logs(stores).held = []
    page = opened(stores)
    assert ("trace", "") not in traces(stores).asked
    assert [each[0] for each in logs(stores).asked].count("trace_records") == 0
    found = answer(page, "Trace of the chosen request")
    assert (found.error, found.queries) == ("", ["trace trace=(none)"])
    assert found.panel.defaults["noValue"] == "click an id above"


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ({}, "client_error|server_error|aborted|timeout"),
        ({"outcome": "(ok|timeout)"}, "timeout"),
        ({"outcome": "ok"}, None),
    ],
)
def test_failed_requests_are_of_the_chosen_outcomes_but_ok(
    stores: Stores, chosen: dict[str, str], asked: str | None
) -> None:
    opened(stores, **chosen)
    newest = [each for each in logs(stores).asked if each[0] == "newest_requests"]
    found = [scope.outcome for _, scope, most in newest if most == 100]
    assert found == ([] if asked is None else [asked])


def test_that_no_request_failed_is_no_fault(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    page = opened(stores, outcome="ok")
    assert not [line for line in missing([page]) if "Failed requests" in line]
    assert "Failed requests: no request failed" in capsys.readouterr().out


def test_quantiles_are_a_line_a_tenant_with_the_panels_step(stores: Stores) -> None:
    found = answer(opened(stores), "Duration by tenant, p95")
    assert ("tenant_quantile", "duration_seconds", 0.95, EVERY, 60.0) in logs(stores).asked
    line, limit = found.data.series
    assert limit.name == "limit", "which Prometheus draws beside the lines of the logs"
    assert (line.name, line.points) == ("acme", [(NOW - 60, 1.5)])


def test_traces_have_the_columns_of_a_search(stores: Stores) -> None:
    found = answer(opened(stores), "Newest slow traces")
    assert ("newest_requests", 1.0, EVERY, 20) in traces(stores).asked
    (row,) = found.data.rows
    assert row == {
        "Start": NOW * 1000,
        "Trace": TRACE,
        "Duration": 9.5e9,
        "Outcome": "ok",
        "Cost": 7.5,
    }


def test_questions_count_in_the_timings(stores: Stores) -> None:
    page = opened(stores)
    assert [words for words, _ in stores.seconds].count("last_requests") == 1
    assert answer(page, "Last requests").seconds > 0
    assert len(answer(page, "Last requests").data.lines) == 2


def test_a_records_fields_become_cells() -> None:
    record = finished(2.0, finish_reasons=["stop", "length"], status_code=200)
    (row,) = shapes.records([record])
    assert (row["finish_reasons"], row["status_code"], row["stream"]) == (
        "stop, length",
        200,
        "true",
    )
    assert row["Time"] == (NOW - 2) * 1000


def variable(expr: str, regex: str = '/le="([^"]+)"/') -> dict[str, Any]:
    return {"type": "query", "name": "edge", "query": f"query_result({expr})", "regex": regex,
            "current": {"value": "0"}}  # fmt: skip


def board_with(*variables: dict[str, Any]) -> Board:
    return Board({"templating": {"list": list(variables)}})


@pytest.mark.parametrize(
    ("one", "chosen", "value"),
    [
        (variable("a{le='$__range'}"), {}, "1.0"),
        (variable("a", '/tenant="(.)"/'), {}, "t"),
        (variable("a", "/ (2) /"), {}, "2"),
        (variable("silent"), {}, ""),
        (variable("a"), {"edge": "7"}, "7"),
    ],
    ids=["label", "other label", "value", "no sample", "chosen"],
)
def test_a_variable_is_what_prometheus_tells(
    stores: Stores, one: dict[str, Any], chosen: dict[str, str], value: str
) -> None:
    assert values.of_board(stores, board_with(one), WINDOW, chosen) == {"edge": value}


def test_a_told_variable_is_asked_with_the_others_and_the_range(stores: Stores) -> None:
    typed = {"type": "textbox", "name": "typed", "query": "", "current": {"value": ""}}
    one = board_with(typed, variable('a{b="$typed"}[$__range]'))
    values.of_board(stores, one, WINDOW, {"typed": "5", "unknown": "x"})
    assert [query for query, _ in stores.seconds] == ['a{b="5"}[1800s]']


def test_only_a_query_for_a_result_is_told() -> None:
    assert values.told({"type": "query", "query": "label_values(up, job)"}) == ""
    assert values.told({"type": "textbox", "query": "query_result(up)"}) == ""


def test_asked_knows_only_what_the_board_has() -> None:
    asked = Asked({"model": "m", "edge": "1e+06", "empty": ""}, WINDOW, 10, 15.0)
    assert asked.scope == Scope(model="m")
    assert (asked.above("edge"), asked.above("empty")) == (1e6, 0.0)
    with pytest.raises(KeyError):
        asked.above("gone")


def test_a_threshold_that_is_no_number_says_what_to_type() -> None:
    asked = Asked({"slow_edge": "5s"}, WINDOW, 10, 60.0)
    with pytest.raises(Fault, match="slower than 5s is no number: type seconds"):
        asked.above("slow_edge")
