"""`make alerts` where something else than Prometheus or Alertmanager answers on their ports."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stack.errors import Fault
from tests.unit.fake_store import Answer, as_json, serving
from tests.unit.stack.test_alerts import (
    DOWN,
    NOON,
    WATCHDOG,
    Said,
    both,
    fires,
    groups,
    rule,
    run,
    told_row,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Answer]]:
    """What the two systems answer, by path."""
    answers: dict[str, Answer] = {"/api/v2/alerts": as_json([]), "/api/v2/silences": as_json([])}
    fires(answers, rule(WATCHDOG, "firing"))
    with serving(lambda path, _: answers.get(path, (404, ""))) as store:
        both(monkeypatch, store)
        yield answers


def broken(**changes: Any) -> Answer:
    row = {**rule(DOWN, "firing")["alerts"][0], **changes.pop("alert", {})}
    changed = {**rule(DOWN, "firing"), "alerts": [row], **changes}
    return as_json({"data": {"groups": groups(changed)}})


GARBAGE = [as_json(one) for one in ({}, {"data": None}, [1], {"a": {}}, "x", "", 1, None, False)]
GARBAGE.append((200, "[" * 100_000))


@pytest.mark.parametrize(
    "answer",
    [
        *GARBAGE,
        broken(alerts=[1]),
        broken(alerts=[{"state": "firing", "labels": {}}]),
        broken(alert={"activeAt": "9999-12-31T23:59:59Z"}),
        broken(alert={"activeAt": "soon"}),
        broken(alert={"labels": {"alertname": 1}}),
        broken(alert={"labels": [["alertname", "x"]]}),
        broken(alert={"annotations": {"summary": []}}),
        broken(duration=1e300),
        broken(duration=float("nan")),
        broken(duration=10**400),
    ],
)
def test_what_is_no_answer_of_prometheus_is_none(world: dict[str, Answer], answer: Answer) -> None:
    world["/api/v1/rules"] = answer
    with pytest.raises(Fault, match="Prometheus does not answer"):
        run()


@pytest.mark.parametrize(
    "answer",
    [
        *GARBAGE,
        as_json([{**told_row(DOWN), "startsAt": "0000"}]),
        as_json([{**told_row(DOWN), "status": []}]),
        as_json([{**told_row(DOWN), "fingerprint": []}]),
        as_json([told_row(DOWN, silencedBy=[{}])]),  # type: ignore[list-item]
    ],
)
def test_what_is_no_answer_of_alertmanager_is_none(
    world: dict[str, Answer], capsys: Said, answer: Answer
) -> None:
    world["/api/v2/alerts"] = answer
    assert run() == 3
    assert "Alertmanager does not answer" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [*GARBAGE, as_json([{"id": "s1"}]), as_json([{"id": []}])])
def test_silences_that_cannot_be_read_hide_no_alert(
    world: dict[str, Answer], capsys: Said, answer: Answer
) -> None:
    world["/api/v2/alerts"] = as_json([told_row(DOWN, silencedBy=["s1"])])
    world["/api/v2/silences"] = answer
    assert run() == 3
    said = capsys.readouterr().out
    assert "silence s1" in said and "does not answer" not in said


@pytest.mark.parametrize(
    "answer",
    [
        *GARBAGE,
        *(
            as_json({"data": [{"seriesLabels": {}, "exemplars": [odd]}]})
            for odd in (
                {"value": "NaN", "timestamp": NOON, "labels": {"trace_id": "a"}},
                {"value": "1", "timestamp": 1e300, "labels": {"trace_id": "a"}},
                {"value": "1", "timestamp": NOON, "labels": {"trace_id": ["a"]}},
                {"value": "much", "timestamp": NOON, "labels": {"trace_id": "a"}},
                {},
            )
        ),
    ],
)
def test_an_exemplar_that_is_none_is_no_trace(
    world: dict[str, Answer], capsys: Said, answer: Answer
) -> None:
    fires(world, rule(DOWN, "firing", exemplars="x_bucket"))
    world["/api/v1/query_exemplars"] = answer
    assert run(FORMAT="json") == 3
    assert json.loads(capsys.readouterr().out)["firing"][0]["trace"] is None
