"""`make status`: what was lost on the way to a store, or thrown away by one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from server.catalogue.uses import recorded
from stack.commands import status
from stack.parts.table import GRAFANA
from stack.settings import Settings


def answers(monkeypatch: pytest.MonkeyPatch, rows: dict[str, list[dict[str, Any]]] | None) -> None:
    def get_json(url: str) -> Any:
        query = unquote(url.partition("query=")[2])
        found = [] if rows is None else next(v for k, v in rows.items() if k in query)
        return None if rows is None else {"data": {"result": found}}

    monkeypatch.setattr(status, "get_json", get_json)


def test_what_a_store_threw_away_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = [{"metric": {"signal": "spans", "result": "failed"}, "value": [0, "3"]}]
    thrown = [
        {"metric": {"job": "tempo", "reason": "trace_too_large"}, "value": [0, "412"]},
        {"metric": {"job": "loki"}, "value": [0, "1"]},
    ]
    answers(monkeypatch, {"llm_telemetry_items_total": lost, "discarded": thrown})
    status._lost()
    said = capsys.readouterr().out
    assert "3 spans failed" in said
    assert "412 thrown away by tempo: trace_too_large" in said
    assert "1 thrown away by loki: no reason given" in said


def test_nothing_of_an_answer_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steering = "\x1b[2J\x07\x9b1m\u202e\r\n"
    thrown = [{"metric": {"job": steering, "reason": steering}, "value": [0, "1"]}]
    answers(monkeypatch, {"llm_telemetry_items_total": [], "discarded": thrown})
    monkeypatch.setattr(status.grafana, "problems", lambda settings: [steering])
    monkeypatch.setattr(status.recorded, "settled", lambda logs: steering)
    status._lost()
    status._data_sources(Settings(Path(), Path(), Path(), {}), (GRAFANA,))
    status._recorded(SimpleNamespace(name="loki"))  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in said), said
    assert len(said.splitlines()) == 7


@pytest.mark.parametrize("body", [{"data": None}, [1], {"data": {"result": [1]}}, "x"])
def test_what_is_no_answer_of_prometheus_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: Any
) -> None:
    monkeypatch.setattr(status, "get_json", lambda url: body)
    status._lost()
    assert "what answers on port 9090 is no Prometheus" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [None, {"": []}])
def test_nothing_is_said_where_nothing_was_lost(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: dict[str, list[dict[str, Any]]] | None,
) -> None:
    answers(monkeypatch, rows)
    status._lost()
    assert not capsys.readouterr().out


def test_the_series_of_the_question_is_recorded() -> None:
    assert status._DISCARDED.partition(" ")[0] in recorded()
