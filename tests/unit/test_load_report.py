"""The report of a run: self-contained, escaped, honest about what is not known or not valid."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from grafana.pictures import board
from grafana.pictures.stores import Stores
from loadtest.report import command, objectives, page, summary, with_cost, witnesses
from loadtest.report.document import document, to_json
from loadtest.report.machine import machine
from loadtest.report.result import Result, Sources, result
from loadtest.report.witnesses import Seen
from loadtest.rows import WARM_UP, Row, Run
from stack.commands import report as make_report
from stack.errors import Fault
from stack.settings import Settings
from stack.stores.jaeger import Jaeger
from stack.stores.protocol import Window
from stack.stores.victorialogs import VictoriaLogs
from tests.unit.fake_store import as_json, serving
from tests.unit.load_runs import UNSEEN, Agreed, failed, kept, row, run, stage
from tests.unit.picture_stores import answering

NASTY = '<script src="https://example.com/x.js">alert("1")</script>'
STORES = Stores(logs=VictoriaLogs(), traces=Jaeger())
VOID = {"meta", "img"}


def made(
    rows: list[Row], of: Run | None = None, agreed: Agreed | None = None, seen: Seen = UNSEEN
) -> Result:
    sources = Sources(objectives.read(), agreed or Agreed(), seen, STORES, machine())
    return result(of or run(), rows, sources)


def ladder() -> tuple[list[Row], Run]:
    """Two stages, of which the second has an answer that came too late."""
    rows = [row(0.5 * n, number=n + 1, stage=n // 20) for n in range(39)]
    rows += [row(19.5, 4.0, 3.0, number=40, stage=1), failed(due=3.0, number=41)]
    stages = (stage(), stage(1, 10.0, rate=4.0))
    return rows, run(stages=stages, ended_ns=run().started_ns + 24 * 10**9)


class Page(HTMLParser):
    """Whether elements close in order, and every place that a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.places: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in {"href", "src", "xlink:href", "action", "srcset", "data"}:
                self.places.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_refers_to_nothing_but_itself_and_the_stores() -> None:
    rows, of = ladder()
    text = page.html(made(rows, of))
    found = Page(text)
    outside = [place for place in found.places if not place.startswith(("#", "data:image/png"))]
    assert outside
    assert all(place.startswith("http://127.0.0.1:") for place in outside)
    assert "script" not in found.tags and "link" not in found.tags and "iframe" not in found.tags
    assert not re.findall(r"@import|url\((?!#)", text)
    assert not re.findall(r"https?://(?!127\.0\.0\.1:)", text)


def test_elements_close_and_no_id_stands_twice() -> None:
    rows, of = ladder()
    found = Page(page.html(made(rows, of)))
    assert not found.open
    assert len(found.ids) == len(set(found.ids))
    assert {place[1:] for place in found.places if place.startswith("#")} <= set(found.ids)


def test_whatever_a_run_says_is_text() -> None:
    rows = [failed(ended_as=NASTY, tenant=NASTY, kind=NASTY, trace_id='"><b>', number=1)]
    of = run(command=NASTY, run_id=NASTY, model=NASTY, invalid_because=(NASTY,))
    seen = Seen((witnesses.Alert(NASTY, NASTY, {NASTY: NASTY}, 1.0, 2.0),), 1.0, 5.0, (), (NASTY,))
    text = page.html(made(rows, of, Agreed(False, (NASTY,)), seen))
    assert "<script" not in text and "<b>" not in text
    assert text.count("&lt;script") >= 10
    assert not Page(text).open


def test_a_valid_run_that_missed_is_a_report_all_the_same() -> None:
    rows, of = ladder()
    found = made(rows, of)
    assert found.whole.met is False and found.status == 0
    text = page.html(found)
    assert "INVALID" not in text and "MISSED" in text and 'class="struck"' not in text


def test_an_invalid_run_says_so_first_and_its_figures_are_struck() -> None:
    found = made([row()], run(invalid_because=("the generator was late",)))
    text = page.html(found)
    assert text.index("INVALID") < text.index("<h1>") < text.index("Verdict")
    assert "the generator was late" in text
    figures = text[text.index("<h1>") : text.index("<h2>Load</h2>")]
    assert figures.count("<section") == figures.count('<section class="struck"') + 1  # Load's own
    assert found.status == 1
    assert next(summary.summary(found)) == "INVALID: the generator was late"


def test_signals_that_differ_are_said_and_fail() -> None:
    found = made([row()], agreed=Agreed(False, ("✗ one request has no record",)))
    assert found.status == 1
    assert "NOT RECONCILED" in page.html(found)
    assert "  ✗ one request has no record" in list(summary.summary(found))


def test_only_the_main_phase_is_judged() -> None:
    found = made([row(), row(benchmark_phase=WARM_UP), failed(benchmark_phase=WARM_UP)])
    assert (found.whole.requests, found.whole.met) == (1, True)
    nothing = made([row(benchmark_phase=WARM_UP)])
    assert nothing.status == 1 and "nothing to judge" in nothing.invalid_because[0]
    assert nothing.whole.met is None
    assert not Page(page.html(nothing)).open


def test_one_stage_has_no_chart_against_load() -> None:
    rows, of = ladder()
    assert "Against load" in page.html(made(rows, of))
    assert "Against load" not in page.html(made([row()]))


def test_lines_that_are_lost_are_said() -> None:
    rows, of = ladder()
    assert not list(page._absent(made(rows, of)))
    (said,) = page._absent(made(rows[:-5], of))
    assert "0 requests were due and never sent, 4 were" in said
    dropping = run(stages=(stage(intended=3, dropped=2),))
    (said,) = page._absent(made([row()], dropping))
    assert "2 requests were due and never sent, 0 were" in said


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys(each) for key, each in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None


SPREAD = dict.fromkeys(("count", "mean", "p50", "p90", "p95", "p99", "max"))
OBJECTIVE = dict.fromkeys(("limit_seconds", "objective", "good", "counted", "share", "met"))
FIGURES = {
    "seconds": None,
    "requests": None,
    "provoked": None,
    "objectives": {
        "request_duration": OBJECTIVE,
        "time_to_first_token": OBJECTIVE,
        "time_per_output_token": OBJECTIVE,
        "inter_token_latency": OBJECTIVE,
        "error_share": OBJECTIVE,
    },
    "latency_seconds": {
        "ttft": SPREAD,
        "itl": SPREAD,
        "tpot": SPREAD,
        "end_to_end": SPREAD,
        "end_to_end_of_failed": SPREAD,
    },
    "tokens": {
        "input": None,
        "output": None,
        "input_per_second": None,
        "output_per_second": None,
        "requests_without_usage": None,
    },
    "goodput": {
        "requests": None,
        "requests_per_second": None,
        "output_tokens": None,
        "output_tokens_per_second": None,
    },
    "not_ok": [dict.fromkeys(("outcome", "ended_as", "provoked", "count"))],
    "cost": {
        "microdollars": None,
        "microdollars_of_known": None,
        "requests_known": None,
        "requests_unknown": None,
        "microdollars_per_1k_good_output_tokens": None,
    },
}
WORST = dict.fromkeys(
    (
        *("trace_id", "kind", "tenant", "stage", "outcome", "ended_as", "output_tokens"),
        *("seconds", "ttft_seconds", "due", "trace", "logs"),
    )
)
DOCUMENT = {
    "schema": None,
    "run": dict.fromkeys(
        (
            *("run_id", "command", "shape", "rate", "seed", "url", "model", "processes"),
            *("started", "ended"),
        )
    ),
    "valid": None,
    "invalid_because": None,
    "reconciled": {"exact": None, "findings": [None]},
    "objectives_met": None,
    "quantiles": None,
    "whole": FIGURES,
    "schedule_delay_seconds": SPREAD,
    "stages": [{"number": None, "rate": None, **FIGURES}],
    "pace": [
        {
            **dict.fromkeys(("stage", "phase", "seconds", "intended_per_second")),
            **dict.fromkeys(("achieved_per_second", "intended", "sent", "dropped", "lost")),
            "schedule_delay_seconds": SPREAD,
        }
    ],
    "course": [
        {
            **dict.fromkeys(("at_seconds", "seconds", "requests", "good")),
            "ttft_seconds": SPREAD,
            "end_to_end_seconds": SPREAD,
            "microdollars": None,
            "microdollars_per_1k_good_output_tokens": None,
        }
    ],
    "worst": {"by_seconds": [WORST], "by_ttft": [WORST]},
    "alerts": [
        {
            **dict.fromkeys(("name", "severity", "first_seen", "last_seen", "step_seconds")),
            "labels": {"tenant": None},
        }
    ],
    "alerts_watched_share": None,
    "boards": None,
    "unanswered": None,
    "machine": dict.fromkeys(("cores", "cpu", "memory_bytes", "kernel", "python")),
}


def test_keys_of_the_json_are_those_that_readers_know() -> None:
    rows, of = ladder()
    seen = Seen((witnesses.Alert("A", "page", {"tenant": "t"}, 1.0, 2.0),), 1.0, 5.0, (), ())
    assert keys(document(made(rows, of, seen=seen))) == DOCUMENT


def test_the_json_is_not_rounded_and_not_known_is_null() -> None:
    found = json.loads(to_json(made([row(seconds=1.234567891, number=1)])))
    assert found["whole"]["latency_seconds"]["end_to_end"]["p50"] == 1.234567891
    assert found["whole"]["cost"]["microdollars"] is None
    assert found["whole"]["cost"]["requests_unknown"] == 1
    assert found["run"]["started"] == "2026-11-23T21:40:00.000Z"


def test_lines_carry_what_the_server_knew_and_nothing_else() -> None:
    agreed = Agreed(costs={f"{1:032x}": 4.5}, outcomes={f"{1:032x}": ("ok", "stop")})
    first, second = map(json.loads, with_cost.lines([row(number=1), row(number=2)], agreed))
    told = ("cost_microdollars", "server_outcome", "server_reason")
    assert [first[name] for name in told] == [4.5, "ok", "stop"]
    assert not set(told) & set(second)
    assert first["trace_id"] == f"{1:032x}" and first["gaps_seconds"] == [0.1, 0.1]


@contextmanager
def alerting(times: list[float]) -> Iterator[tuple[Stores, dict[str, str]]]:
    labels = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "CostSpike"}
    metric = {**labels, "severity": "page", "tenant": "acme"}
    values = [[at, "1"] for at in times]
    answer = as_json({"data": {"result": [{"metric": metric, "values": values}]}})
    with serving(lambda path, asked: answer) as store:
        asked: dict[str, str] = {}
        yield Stores(store.url, VictoriaLogs(), Jaeger()), asked
        asked |= store.query


def test_alerts_are_those_that_fired_in_the_window() -> None:
    with alerting([1000.0, 1005.0, 1020.0]) as (stores, asked):
        (found,) = witnesses.fired(stores, Window(1003.0, 1100.0), 5.0)
    assert (found.name, found.severity, found.labels) == ("CostSpike", "page", {"tenant": "acme"})
    assert (found.first, found.last) == (1005.0, 1020.0)
    assert asked["query"] == 'ALERTS{alertstate="firing"}'
    with alerting([1000.0]) as (stores, _):
        assert witnesses.fired(stores, Window(1003.0, 1100.0), 5.0) == ()


def test_no_alert_is_no_news_of_a_time_that_nobody_watched(tmp_path: Path) -> None:
    nothing = as_json({"data": {"result": []}})
    with serving(lambda path, asked: nothing) as store:
        stores = Stores(store.url, VictoriaLogs(), Jaeger())
        seen = witnesses.look(stores, Window(0.0, 60.0), tmp_path, [], {})
    assert seen.alerts is None and "no sample" in seen.unanswered[0]
    half = as_json({"data": {"result": [{"metric": {}, "values": [[0, "1"], [5, "1"]]}]}})
    with serving(lambda path, asked: half if "up" in asked["query"] else nothing) as store:
        stores = Stores(store.url, VictoriaLogs(), Jaeger())
        seen = witnesses.look(stores, Window(0.0, 15.0), tmp_path, [], {})
    assert (seen.alerts, seen.watched, seen.unanswered) == ((), 0.5, ())
    assert "watched 50.000 %" in page.html(made([row()], seen=seen))


def test_a_store_that_does_not_answer_is_said_once_and_is_no_end(tmp_path: Path) -> None:
    gone = Stores("http://127.0.0.1:9", VictoriaLogs(), Jaeger())
    boards = board.load()[:2]
    seen = witnesses.look(gone, Window(0.0, 60.0), tmp_path, boards, {})
    assert seen.alerts is None and not seen.pictures
    assert len(seen.unanswered) == len(set(seen.unanswered)) >= 1
    text = page.html(made([row()], seen=seen))
    assert "Prometheus did not tell" in text and "does not answer" in text


def test_boards_are_drawn_over_the_run(tmp_path: Path) -> None:
    with answering() as stores:
        boards = [one for one in board.load() if one.uid == "llm-overview"]
        seen = witnesses.look(stores, Window(0.0, 600.0), tmp_path, boards, {})
    (picture,) = seen.pictures
    assert picture.path.read_bytes().startswith(b"\x89PNG")
    text = page.html(made([row()], seen=seen))
    assert 'src="data:image/png;base64,' in text
    assert not Page(text).open


@pytest.fixture
def no_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> Stores:
        raise Fault("TRACES_STORE=x is unknown")

    monkeypatch.setattr(witnesses, "Stores", wrong)


@pytest.mark.usefixtures("no_stores")
def test_the_newest_run_is_reported_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    kept(tmp_path / "load/a", [failed()])
    folder = kept(tmp_path / "load/b", [row()])
    os.utime(tmp_path / "load/a/run.json", (1, 1))
    assert command.main(["--no-pictures"], lambda *_: Agreed()) == 0
    assert json.loads((folder / "report.json").read_text())["objectives_met"] is True
    assert (folder / "report.html").exists() and (folder / with_cost.NAME).exists()
    said = capsys.readouterr().out
    assert "goodput: 0.10 requests" in said and str(folder / "report.html") in said
    assert "TRACES_STORE=x is unknown" in said


@pytest.mark.usefixtures("no_stores")
@pytest.mark.parametrize(
    ("because", "exact", "status"), [((), True, 0), ((), False, 1), (("late",), True, 1)]
)
def test_the_status_tells_whether_the_figures_can_be_believed(
    tmp_path: Path, because: tuple[str, ...], exact: bool, status: int
) -> None:
    folder = kept(tmp_path / "r", [row()], run(invalid_because=because))
    arguments = [str(folder), "--no-pictures"]
    assert command.main(arguments, lambda *_: Agreed(exact)) == status


@pytest.mark.parametrize("named", [True, False])
def test_no_run_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    arguments = [str(tmp_path / "gone")] if named else []
    assert command.main(arguments, lambda *_: Agreed()) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.count("\n") == 1 and "make load" in said.err


@pytest.mark.parametrize(("chosen", "more"), [({}, []), ({"RUN": "a folder"}, ["a folder"])])
def test_the_command_of_make_passes_the_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], more: list[str]
) -> None:
    asked: list[list[str]] = []

    def execute(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(arguments)
        return subprocess.CompletedProcess(arguments, 2)

    monkeypatch.setattr(make_report.venv, "make", lambda *_: tmp_path)
    monkeypatch.setattr(make_report.subprocess, "run", execute)
    assert make_report.report(Settings(tmp_path, tmp_path, tmp_path, chosen)) == 2
    assert asked == [[str(tmp_path / "bin/python"), "-m", "loadtest.report", *more]]


def test_the_machine_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       2048 kB\nMemFree: 1 kB\n")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n")
    found = machine(tmp_path)
    assert (found.memory_bytes, found.cpu) == (2048 * 1024, "A CPU @ 2 GHz")
    unknown = machine(tmp_path / "gone")
    assert (unknown.memory_bytes, unknown.cpu) == (None, "not known")
