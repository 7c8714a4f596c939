import json

import pytest

from stack.commands.welcome import first_request
from stack.request import show, signals
from stack.request.chat import Answer
from stack.request.signals import Exemplar
from stack.stores.protocol import LogRecord, Value

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_streamed_answer_is_folded_and_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    writer = show.Writer()
    writer.write("a" * 150)
    writer.write("\x1b[31mred\n")
    writer.close()
    lines = capsys.readouterr().out.splitlines()
    assert [len(line) for line in lines] == [98, 2 + 54 + 8]
    assert "\x1b" not in "".join(lines)


def test_the_end_of_an_answer_on_the_clients_clock() -> None:
    answer = Answer(TRACE, 200, 0.0, 0.25, 1.5, {"completion_tokens": 7}, "stop")
    assert show.ending(answer) == "[stop after 7 tokens, first token 0.250 s, 1.500 s in all]"
    assert show.ending(Answer(TRACE, 404, 0.0, error="no such model")) == "HTTP 404: no such model"


def record(text: str, **fields: Value) -> LogRecord:
    return LogRecord(0, text, {"level": "INFO", **fields})


def test_the_finished_record_is_a_summary_and_others_are_their_text() -> None:
    fields: dict[str, Value] = {"outcome": "ok", "status_code": 200, "output_tokens": 8}
    (row,) = show.log_rows(record("request_finished ok", event="request_finished", **fields))
    assert row.endswith("info    request_finished  ok · 200 · 8 tokens out")
    (row,) = show.log_rows(record("started route=/v1", event="started"))
    assert row.endswith("info    started route=/v1")


def test_log_rows_stay_within_their_width() -> None:
    rows = show.log_rows(record("word " * 100))
    assert len(rows) > 1
    assert max(map(len, rows)) <= show.WIDTH


def test_cost_shows_its_tokens_and_never_a_price_it_does_not_have() -> None:
    line = {"input_tokens": 20, "cached_input_tokens": 16, "output_tokens": 100}
    priced = show.cost({**line, "cost_microdollars": 50.0})
    assert priced.startswith("4 tokens in + 16 cached + 100 out = 50.000 µ$ = $0.00005000")
    assert "($0.0005 per 1000 out)" in priced
    assert "no price: add the model to server/prices.yaml" in show.cost(line)


def test_device_time_says_what_is_not_known() -> None:
    timed = {"gpu_seconds": 0.5}
    assert "= 2.500 µ$" in show.device_cost({**timed, "gpu_cost_microdollars": 2.5})
    assert "no price: add the device" in show.device_cost(timed)
    assert show.device_cost({}).startswith("not known")


def test_the_own_exemplar_and_one_that_took_its_place() -> None:
    own = Exemplar("1.0", 0.8, 0.0, TRACE)
    assert f"trace_id={TRACE}" in show.exemplar(own, TRACE)
    assert "a newer request's took its place" in show.exemplar(own, "another")


def test_a_value_falls_into_the_first_bucket_that_holds_it() -> None:
    edges = ["0.4", "1.0", "+Inf"]
    assert [signals.bucket_of(x, edges) for x in (0.1, 0.4, 0.41, 5.0)] == [
        "0.4",
        "0.4",
        "1.0",
        "+Inf",
    ]


def answers(*found: tuple[str, float, str]) -> dict[str, object]:
    series = [
        {
            "seriesLabels": {"le": le},
            "exemplars": [{"labels": {"trace_id": trace}, "value": "0.5", "timestamp": at}],
        }
        for le, at, trace in found
    ]
    return {"data": series}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("1.0", 11.0, TRACE)], TRACE),
        ([("1.0", 12.0, "newer"), ("1.0", 11.0, TRACE)], TRACE),
        ([("1.0", 12.0, "newer")], "newer"),
        ([("1.0", 5.0, "older")], None),
        ([("2.0", 12.0, "another bucket")], None),
    ],
)
def test_only_a_newer_exemplar_of_the_same_bucket_excuses_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, found: list[tuple[str, float, str]], expected: str | None
) -> None:
    def get_json(url: str) -> dict[str, object]:
        return answers(*found) if "query_exemplars" in url else {"data": ["1.0", "0.4", "2.0"]}

    monkeypatch.setattr(signals, "get_json", get_json)
    exemplar = signals.find_exemplar(TRACE, "m", started=10.0, seconds=0.5)
    assert (exemplar.trace_id if exemplar else None) == expected


def test_the_first_request_is_json_that_can_be_pasted() -> None:
    body = first_request("org/model").partition("-d '")[2].removesuffix("'")
    assert json.loads(body)["model"] == "org/model"
