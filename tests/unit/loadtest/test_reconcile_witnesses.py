"""The table of ends, cell by cell, and what is read of Prometheus and of real stores' answers."""

import dataclasses
from typing import Any

import pytest

from loadtest.reconcile.outcome_table import RACE_NS, Verdict, judge
from loadtest.reconcile.prometheus import Prometheus
from loadtest.reconcile.reconciliation import Witnesses, compare
from stack.evidence.scrape import Sample
from stack.stores.protocol import LogRecord
from stack.stores.victorialogs import VictoriaLogs
from tests.unit.fake_store import Answer, as_json, as_lines, serving
from tests.unit.reconciling import Story

CLIENTS: dict[str, dict[str, Any]] = {
    "ok": {"outcome": "ok", "status": 200},
    "client_error": {"outcome": "client_error", "status": 400},
    "server_error": {"outcome": "server_error", "status": 500},
    "error in the stream": {"outcome": "server_error", "status": 200},
    "timeout told": {"outcome": "timeout", "status": 504},
    "patience": {"outcome": "timeout", "status": 200},
    "patience unheard": {"outcome": "timeout", "status": None, "request_ack_ns": None},
    "aborted": {"outcome": "aborted", "status": 200},
    "aborted unheard": {"outcome": "aborted", "status": None, "request_ack_ns": None},
    "cut_off": {"outcome": "cut_off", "status": 200},
    "unreachable": {"outcome": "unreachable", "status": None, "request_ack_ns": None},
}
SERVERS = ("ok", "client_error", "server_error", "aborted", "timeout", "killed", "engine_dead", "-")
# A cell: = agree, r race, k only with a restart, . wrong. Columns as in SERVERS, - is no record.
TABLE = {
    "ok":                  "= . . . . k . .",
    "client_error":        ". = . . . . . .",
    "server_error":        ". . = . . . = .",
    "error in the stream": ". = = . = . = .",
    "timeout told":        ". . . . = . . .",
    "patience":            "r . . = = k k .",
    "patience unheard":    "r . . = = k k r",
    "aborted":             "r . . = . k k .",
    "aborted unheard":     "r . . = . k k r",
    "cut_off":             ". . . . r k k k",
    "unreachable":         ". . . . . k k k",
}  # fmt: skip
CELLS = [
    (client, server, cell)
    for client, cells in TABLE.items()
    for server, cell in zip(SERVERS, cells.split(), strict=True)
]
VERDICTS = {"=": Verdict.AGREE, "r": Verdict.RACE, "k": Verdict.RESTART, ".": Verdict.WRONG}


def _record(server: str, at_ns: int) -> LogRecord | None:
    death = server in ("killed", "engine_dead")
    fields = {"outcome": "server_error" if death else server, "reason": server if death else "x"}
    return None if server == "-" else LogRecord(at_ns, "", fields)


@pytest.mark.parametrize(("client", "server", "cell"), CELLS)
def test_each_pair_of_ends_is_judged_by_the_table(client: str, server: str, cell: str) -> None:
    story = Story()
    story.send()
    row = dataclasses.replace(story.rows[0], **CLIENTS[client])
    close, late = (_record(server, row.request_end_ns + apart) for apart in (RACE_NS, 2 * RACE_NS))
    assert judge(row, close, restarted=True) is VERDICTS[cell]
    alone = Verdict.WRONG if cell == "k" else VERDICTS[cell]
    assert judge(row, close, restarted=False) is alone
    # A race is one of moments: a server that goes on for long has not seen the hang-up.
    is_race = cell == "r" and late is not None
    assert judge(row, late, restarted=True) is (Verdict.WRONG if is_race else VERDICTS[cell])


def prometheus(path: str, asked: dict[str, str]) -> Answer:
    assert path == "/api/v1/query"
    if asked["query"].startswith("process_start_time_seconds"):
        assert asked == {
            "query": 'process_start_time_seconds{job="llm-server"}[60s]', "time": "1060.000",
        }  # fmt: skip
        values = [[1015.5, "900.25"], [1010.5, "900.25"]]
        later = [[1050.5, "1020.75"]]
        found: list[Any] = [{"metric": {}, "values": later}, {"metric": {}, "values": values}]
    else:
        assert asked["time"] == "1015.501" and 'job="llm-server"' in asked["query"]
        metric = {"__name__": "llm_tokens_total", "kind": "output", "job": "llm-server"}
        found = [{"metric": metric, "value": [1015.501, "7"]}]
    return as_json({"data": {"result": found}})


def test_prometheus_tells_the_processes_by_time_and_a_past_scrape() -> None:
    with serving(prometheus) as store:
        asked = Prometheus(store.url)
        assert asked.starts(1000.0, 1060.0) == [
            (1010.5, 900.25), (1015.5, 900.25), (1050.5, 1020.75),
        ]  # fmt: skip
        (sample,) = asked.counters(1015.5) or []
    assert (sample.name, sample.labels["kind"], sample.value) == ("llm_tokens_total", "output", 7.0)
    assert isinstance(sample, Sample)


def test_a_prometheus_that_is_away_knows_nothing() -> None:
    with serving(lambda *_: (503, "")) as store:
        asked = Prometheus(store.url)
        assert asked.starts(1.0, 2.0) is None and asked.counters(1.0) is None


def _as_stored(record: LogRecord) -> dict[str, str]:
    """The record as VictoriaLogs answers with it: every value is text."""
    seconds, rest = divmod(record.time_ns, 10**9)
    assert seconds // 86400 == 1_790_000_000 // 86400
    hour, minute = divmod(seconds % 86400 // 60, 60)
    at = f"2026-09-21T{hour:02}:{minute:02}:{seconds % 60:02}.{rest:09}Z"
    fields = {name: _text(value) for name, value in record.fields.items()}
    return {"_time": at, "_msg": record.text, **fields}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else str(value)


def test_numbers_that_a_store_hands_out_as_text_are_as_exact() -> None:
    story = Story()
    story.send(time_to_first_token_seconds=0.1 + 0.2)
    story.send()
    rows = [_as_stored(record) for record in story.logs.records]
    # It is asked slice by slice, and all of them are in the first.
    with serving(lambda *_: as_lines(*(rows if len(store.asked) == 1 else ()))) as store:
        logs = VictoriaLogs(store.url)
        asked = Witnesses(logs, story.traces, story.scrapes, story.prices)  # type: ignore[arg-type]
        found = compare(story.rows, story.run(), asked, 0.0)
    assert found.exact, found.lines
