"""What the stack saw of a run: alerts and boards, and what is said where nobody can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grafana.pictures import board
from grafana.pictures.stores import Stores
from loadtest.report import page, witnesses
from stack.stores.jaeger import Jaeger
from stack.stores.protocol import Window
from stack.stores.victorialogs import VictoriaLogs
from tests.unit.fake_store import as_json, serving
from tests.unit.html_page import Page
from tests.unit.load_runs import made, row
from tests.unit.picture_stores import answering


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
    assert asked["query"] == 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
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
