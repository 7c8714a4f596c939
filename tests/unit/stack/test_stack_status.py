"""`make status`: what was lost on the way to a store, or thrown away by one."""

from typing import Any
from urllib.parse import unquote

import pytest

from server.catalogue.uses import recorded
from stack.commands import status


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
