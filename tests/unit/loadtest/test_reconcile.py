"""What agrees is exact, and each kind of disagreement between client and server is found."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest.reconcile import price_check, reconciliation
from server.record.request import Outcome, Usage
from tests.unit.agreed import GONE, HUNG_UP, NOTHING, REFUSED, UNTOLD, told, wrong
from tests.unit.reconciling import Story


def test_a_run_on_which_both_sides_agree_is_exact() -> None:
    story = told()
    found = story.reconciled()
    assert wrong(found) == []
    assert found.exact and not found.contradicted
    assert (found.unseen, found.strangers, found.killed) == ((), (), ())
    first, refused = story.rows[0].trace_id, story.rows[2].trace_id
    # 60 uncached, 40 cached, 20 out, at 0.1, 0.05 and 0.4 µ$ a token.
    assert found.costs[first] == pytest.approx(16.0)
    assert refused not in found.costs
    assert found.outcomes[first] == ("ok", "stop")
    assert found.outcomes[refused] == ("client_error", "invalid_json")


ENDS = st.sampled_from(
    [
        (None, {}),
        (None, REFUSED),
        (None, {**NOTHING, "outcome": Outcome.TIMEOUT, "reason": "deadline", "status_code": 504}),
        (None, {**NOTHING, "outcome": Outcome.SERVER_ERROR, "reason": "exception",
                "status_code": 500}),
        (HUNG_UP, GONE),
        (HUNG_UP, {}),
        ({**UNTOLD, "outcome": "timeout", "status": None}, GONE),
    ]
)  # fmt: skip
USAGES = st.builds(
    lambda cached, more, out: Usage(cached + more, cached, out),
    st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**6),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ENDS, USAGES, st.floats(0.001, 0.3)), min_size=1, max_size=8))
def test_whatever_agreeing_requests_are_the_run_is_exact(sent: list[Any]) -> None:
    story = Story()
    for (client, server), usage, first in sent:
        story.send(client, **{"usage": usage, "time_to_first_token_seconds": first, **server})
    found = story.reconciled()
    assert wrong(found) == []
    assert found.exact and len(found.outcomes) == len(sent)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"outcome": "server_error"}, "ends that agree: 4 of 5, not: {id} ok (200), server"),
        ({"status_code": 500}, "status codes that are equal: 4 of 5, not: {id} 200, server 500"),
        ({"input_tokens": 99}, "input tokens that are equal where the client was told: 2 of 3"),
        ({"output_tokens": 21}, "output tokens that are equal where the client was told: 2 of 3"),
        ({"input_tokens": None}, "input tokens that are equal where the client was told: 2 of 3"),
        ({"cost_microdollars": 16.01}, "{id} 16.01 µ$, by tokens x price 16.00"),
        ({"cost_microdollars": None}, "{id} None µ$, by tokens x price 16.00"),
        ({"cost_microdollars": 16.01}, "{id} cost_microdollars 16.01, in the span 16.0"),
        ({"reason": "length"}, "{id} reason length, in the span stop"),
        ({"span_id": "0" * 16}, "{id} span_id 0000000000000000, in the span"),
        ({"cached_input_tokens": 41}, "{id} cached_input_tokens 41, in the span 40"),
        ({"time_to_first_token_seconds": 0.32}, "{id} 0.3150 s, server 0.3200 s"),
        ({"time_to_first_token_seconds": None}, "{id} has one only at the client"),
        ({"cost_microdollars": 17.0}, "microdollars: counted"),
        ({"reason": "length"}, "requests ok/stop: counted 3, by the records 2, 1 apart"),
        ({"cached_input_tokens": 41}, "tokens input_cached: counted 120, by the records 121"),
        ({"output_tokens": 21}, "tokens output: counted 63, by the records 64"),
    ],
)  # fmt: skip
def test_a_record_that_says_something_else_is_found(fields: dict[str, Any], says: str) -> None:
    story = told()
    trace_id = story.rows[0].trace_id
    story.change(trace_id, **fields)
    found = story.reconciled()
    assert not found.exact and found.contradicted
    assert any(says.format(id=trace_id) in line for line in wrong(found)), wrong(found)


def test_a_request_with_two_records_is_found() -> None:
    story = told()
    first = story.logs.records[0]
    story.logs.records.append(dataclasses.replace(first, time_ns=first.time_ns + 7))
    trace_id = story.rows[0].trace_id
    assert any(f"{trace_id} has 2" in line for line in wrong(story.reconciled()))


def test_two_rows_of_one_trace_id_are_found() -> None:
    story = told()
    story.rows.append(story.rows[0])
    assert any("trace ids of one row each: 4 of 5" in line for line in wrong(story.reconciled()))


SPANS: list[tuple[Callable[[Any], list[Any]], str]] = [
    (lambda span: [], "has 0 SERVER spans"),
    (lambda span: [dataclasses.replace(span, kind="internal")], "has 0 SERVER spans"),
    (lambda span: [dataclasses.replace(span, service="another")], "has 0 SERVER spans"),
    (lambda span: [span, dataclasses.replace(span, span_id="9" * 16)], "has 2 SERVER spans"),
    (lambda span: [dataclasses.replace(span, parent_id="")], "has a SERVER span below nothing"),
    (
        lambda span: [dataclasses.replace(span, parent_id="f" * 16)],
        "has a SERVER span below ffffffffffffffff, not",
    ),
]


@pytest.mark.parametrize(("change", "says"), SPANS)
def test_a_trace_that_is_not_one_span_below_the_clients_is_found(
    change: Callable[[Any], list[Any]], says: str
) -> None:
    story = told()
    trace_id = story.rows[0].trace_id
    story.traces.spans[trace_id] = change(story.traces.spans[trace_id][0])
    found = story.reconciled()
    assert not found.exact
    assert any(f"{trace_id} {says}" in line for line in wrong(found))


def test_a_span_that_was_delivered_twice_is_one() -> None:
    story = told()
    story.traces.spans[story.rows[0].trace_id] *= 2
    assert story.reconciled().exact


def test_a_lost_record_is_no_lost_request_and_the_counters_say_so() -> None:
    story = told()
    lost = story.logs.records.pop(0).fields["trace_id"]
    found = story.reconciled()
    assert found.unseen == (lost,)
    assert found.contradicted
    assert any(f"{lost} has a SERVER span and no record" in line for line in wrong(found))
    assert any("requests ok/stop: counted 3, by the records 2" in line for line in wrong(found))


def test_a_counter_that_lost_a_request_is_found() -> None:
    story = told()
    after = story.exposed()
    name = next(one for one in after if one.startswith("llm_requests_total") and '"stop"' in one)
    found = story.reconciled(after={**after, name: after[name] - 1})
    assert wrong(found) == ["✗ requests ok/stop: counted 2, by the records 3, -1 apart"]


def test_a_log_store_that_is_silent_says_nothing_of_anybody() -> None:
    story = told()
    story.logs.silent = "VictoriaLogs: it does not answer"
    found = story.reconciled()
    assert found.lines == ("? not all was read: VictoriaLogs: it does not answer",)
    assert not found.exact and not found.contradicted
    assert (found.unseen, found.strangers) == ((), ())


def test_a_trace_store_that_is_silent_leaves_the_rest_compared() -> None:
    story = told()
    story.traces.silent = "Jaeger: it does not answer"
    found = story.reconciled()
    assert wrong(found) == ["? not all was read: Jaeger: it does not answer"]
    assert not found.exact and any("output tokens" in line for line in found.lines)


def test_without_a_price_list_no_cost_is_held_against_it() -> None:
    story = told()
    story.prices = "the price list cannot be read: it is gone"
    found = story.reconciled()
    (line,) = wrong(found)
    assert line.startswith("? tokens x price is compared with no cost") and "it is gone" in line


def test_a_price_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    found = price_check.price_list(SimpleNamespace(repo=tmp_path, values={}))  # type: ignore[arg-type]
    assert isinstance(found, str) and "prices.yaml" in found


@pytest.mark.parametrize(
    ("changes", "when"), [({"before": None}, "before"), ({"after": None}, "after")]
)
def test_a_server_that_did_not_answer_leaves_its_counters_uncompared(
    changes: dict[str, Any], when: str
) -> None:
    (line,) = wrong(told().reconciled(**changes))
    assert line.endswith(f"held against nothing: the server did not answer {when} the run")


def test_a_run_without_requests_is_not_exact() -> None:
    found = Story().reconciled()
    assert not found.exact and found.lines[0] == "? the run has no request"


def test_what_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    story = told()
    late, slept = story.logs.records.pop(), list[float]()
    story.logs.late = lambda: story.logs.records.append(late) if not slept else None
    monkeypatch.setattr("time.sleep", slept.append)
    assert story.reconciled(patience=60.0).exact
    assert slept == [3.0]


def test_a_span_that_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    story = told()
    trace_id = story.rows[0].trace_id
    late = story.traces.spans.pop(trace_id)
    monkeypatch.setattr("time.sleep", lambda _: story.traces.spans.update({trace_id: late}))
    assert story.reconciled(patience=60.0).exact


def test_every_case_stands_on_the_page_in_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = told()
    for _ in range(5):
        story.change(story.send(), output_tokens=1)
    asked = SimpleNamespace(logs=story.logs, traces=story.traces)
    monkeypatch.setattr(reconciliation, "stores", lambda _: asked)
    monkeypatch.setattr(reconciliation, "Prometheus", lambda: story.scrapes)
    monkeypatch.setattr(reconciliation, "PATIENCE_SECONDS", 0.0)
    found = reconciliation.reconcile(tmp_path, story.rows, story.run())
    (line,) = [line for line in found.lines if "✗ output tokens" in line]
    assert line.endswith("; and 2 more")
    page = (tmp_path / reconciliation.PAGE).read_text()
    assert all(f"    {row.trace_id} 20, server 1" in page for row in story.rows[5:])


def test_a_double_that_a_store_reads_back_as_its_neighbour_is_the_same_cost() -> None:
    story = told()
    trace = story.rows[0].trace_id
    record = next(r for r in story.logs.records if r.fields["trace_id"] == trace)
    cost = float(record.fields["cost_microdollars"])
    story.change(trace, cost_microdollars=math.nextafter(cost, math.inf))
    assert story.reconciled().exact
    story.change(trace, cost_microdollars=cost + 0.001)
    assert story.reconciled().contradicted


def test_a_server_whose_callers_count_tokens_is_compared_all_the_same() -> None:
    story = told()
    spans = [span for found in story.traces.spans.values() for span in found]
    for span in spans:
        there = {
            name.replace("gen_ai.usage.", "llm.usage."): value
            for name, value in span.attributes.items()
        }
        story.traces.spans[span.trace_id] = [dataclasses.replace(span, attributes=there)]
    assert story.reconciled().exact
    trace = story.rows[0].trace_id
    (span,) = story.traces.spans[trace]
    less = {**span.attributes, "llm.usage.output_tokens": 1}
    story.traces.spans[trace] = [dataclasses.replace(span, attributes=less)]
    assert any("output_tokens 20, in the span 1" in line for line in wrong(story.reconciled()))
