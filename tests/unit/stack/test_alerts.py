"""`make alerts`: what both systems say of an alert, and what stands beside it."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alertmanager import worst as of_links
from stack import settings
from stack.alerts import read, runbook, told, worst
from stack.alerts.alert import Alert
from stack.alerts.read import from_alertmanager, from_rules, together
from stack.commands import alerts as command
from stack.errors import Fault
from tests.conftest import REPO
from tests.unit.fake_store import Answer, FakeStore, as_json, serving

NOON = 1_767_268_800.0
DOWN = {"alertname": "TargetDown", "severity": "critical", "team": "observability", "job": "x"}
SLOW = {"alertname": "ScrapeSlow", "severity": "warning", "job": "x"}
WATCHDOG = {"alertname": "Watchdog", "severity": "none"}


def rule(labels: dict[str, str], state: str, seconds: float = 30, **notes: str) -> dict[str, Any]:
    row = {"labels": labels, "annotations": notes, "state": state, "value": "3e+00"}
    row["activeAt"] = "2026-01-01T12:00:00.123456789Z"
    return {"type": "alerting", "duration": seconds, "alerts": [row]}


def told_row(labels: dict[str, str], **status: list[str]) -> dict[str, Any]:
    start = {"startsAt": "2026-01-01T12:00:45.000Z", "annotations": {}}
    name = labels["alertname"]
    return {"labels": labels, "fingerprint": f"of {name}", "status": status, **start}


def groups(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"rules": [{"type": "recording"}, *rules]}]


def test_an_alert_fired_later_than_it_became_true() -> None:
    firing, pending = from_rules(groups(rule(DOWN, "firing"), rule(SLOW, "pending")))
    assert (firing.is_firing, pending.is_firing) == (True, False)
    assert [round(one.since - NOON) for one in (firing, pending)] == [30, 0]


def test_the_value_is_the_annotations_or_the_bare_number() -> None:
    worded, bare = from_rules(groups(rule(DOWN, "firing", value="3 %"), rule(SLOW, "firing")))
    assert (worded.value, bare.value) == ("3 %", "3e+00")


def test_alertmanager_says_since_when_and_who_keeps_it_quiet() -> None:
    known = from_rules(groups(rule(SLOW, "firing"), rule(DOWN, "firing")))
    rows = [
        told_row(DOWN),
        told_row(SLOW, inhibitedBy=["of TargetDown", "gone"], silencedBy=["s1", "s2"]),
    ]
    silence = {"id": "s1", "createdBy": "me", "comment": "a move"}
    first, second = together(known, from_alertmanager(rows, [silence]))
    assert (first.name, first.suppressed_by, round(first.since - NOON)) == ("TargetDown", (), 45)
    quiet = ("silence by me: a move", "silence s2", "TargetDown", "alert gone")
    assert second.suppressed_by == quiet


def test_what_only_alertmanager_has_is_shown_too() -> None:
    (only,) = together((), from_alertmanager([told_row(DOWN)], []))
    assert only.is_firing and only.name == "TargetDown"


def test_pending_is_no_alert_of_alertmanagers_and_sorts_behind() -> None:
    known = from_rules(groups(rule(DOWN, "pending"), rule(SLOW, "firing")))
    assert [one.name for one in together(known, ())] == ["ScrapeSlow", "TargetDown"]


def alert(**notes: str) -> Alert:
    return Alert(DOWN, {"summary": "x is down", **notes}, True, NOON, "3 %")


def test_an_alert_reads_as_a_sentence() -> None:
    text = told.sentence(alert(runbook_url="http://127.0.0.1:9095/runbooks/x#down"), NOON + 3690)
    assert (
        text
        == "  critical TargetDown for 1h01m: x is down  (http://127.0.0.1:9095/runbooks/x#down)"
    )


def test_a_block_says_how_bad_since_when_where_to_look() -> None:
    seen = worst.Exemplar("5.0", 4.2, NOON, "a" * 32)
    case = told.Case(
        alert(threshold="1 %", dashboard_url="http://d"), ["Do", "this"], seen, "http://t"
    )
    text = "\n".join(told.block(case, NOON + 60))
    for part in ("TargetDown", "job=x", "for 1m00s", "2026-01-01T12:00:00Z", "3 % against 1 %"):
        assert part in text
    for part in ("4.2", "a" * 32, "http://t", "look     Do", "http://d"):
        assert part in text
    assert "team=" not in text


def test_a_label_cannot_write_to_the_terminal() -> None:
    hostile = Alert({**DOWN, "job": "\x1b[2Jx\n\r"}, {"summary": "\x1b]0;t\x07"}, True, NOON)
    lines = [*told.block(told.Case(hostile, ["\x1b[1m"]), NOON), told.sentence(hostile, NOON)]
    assert all(row.isprintable() for row in [*lines, told.pending(hostile, NOON)])


CHAPTER = """# Runbook: x

## ScrapeSlow

**First looks:**

1. Not this.

## TargetDown

**Meaning:** down.

**First looks:**

1. Ask for `up`:

   ```promql
   up == 0
   ```
2. Then that.

**Fixes:** 1. none
"""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9095/runbooks/x#targetdown", "Ask for `up`:|```promql|up == 0|```"),
        ("docs/runbooks/x.md#targetdown", ""),
        ("http://127.0.0.1:9095/runbooks/x#gone", ""),
        ("http://127.0.0.1:9095/runbooks/gone#targetdown", ""),
        ("http://127.0.0.1:9095/runbooks/../../x#targetdown", ""),
        ("", ""),
    ],
)
def test_the_first_look_is_the_runbooks(tmp_path: Path, url: str, expected: str) -> None:
    folder = tmp_path / "docs" / "runbooks"
    folder.mkdir(parents=True)
    (folder / "x.md").write_text(CHAPTER)
    assert "|".join(runbook.first_look(tmp_path, url)) == expected


def test_a_section_without_looks_has_no_first_look() -> None:
    assert runbook.first_item("**Meaning:** x\n\n1. not a look\n") == []
    assert runbook.first_item("**First looks:**\n\n**Fixes:**\n\n1. not a look\n") == []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Answer]]:
    """What the two systems answer, by path; a path that is not there is 404."""
    answers: dict[str, Answer] = {
        "/api/v1/rules": as_json({"data": {"groups": groups(rule(WATCHDOG, "firing"))}}),
        "/api/v2/alerts": as_json([]),
        "/api/v2/silences": as_json([]),
    }
    with serving(lambda path, _: answers.get(path, (404, ""))) as store:
        both(monkeypatch, store)
        yield answers


def both(monkeypatch: pytest.MonkeyPatch, store: FakeStore) -> None:
    monkeypatch.setattr(read, "PROMETHEUS", store.url)
    monkeypatch.setattr(read, "ALERTMANAGER", store.url)
    monkeypatch.setattr(worst, "PROMETHEUS", store.url)


def run(**values: str) -> int:
    return command.alerts(settings.load(REPO, {**os.environ, **values}))


Said = pytest.CaptureFixture[str]


def test_calm_is_zero(world: dict[str, Answer], capsys: Said) -> None:
    assert run() == 0
    assert "0 firing, 0 pending" in capsys.readouterr().out


def fires(world: dict[str, Answer], *rules: dict[str, Any]) -> None:
    every = groups(rule(WATCHDOG, "firing"), *rules)
    world["/api/v1/rules"] = as_json({"data": {"groups": every}})


def test_a_critical_alert_is_three_and_a_warning_is_not(world: dict[str, Answer]) -> None:
    fires(world, rule(SLOW, "firing"), rule(DOWN, "pending"))
    assert run() == 0
    fires(world, rule(DOWN, "firing"))
    assert run() == 3


def test_the_worst_exemplar_is_the_highest(world: dict[str, Answer], capsys: Said) -> None:
    fires(world, rule(DOWN, "firing", exemplars='x_bucket{model="m"}'))
    every = [
        {"value": "1.5", "timestamp": NOON, "labels": {"trace_id": "low"}},
        {"value": "9.5", "timestamp": NOON, "labels": {"trace_id": "high"}},
        {"value": "99", "timestamp": NOON, "labels": {}},
    ]
    series = {"seriesLabels": {"le": "+Inf"}, "exemplars": every}
    world["/api/v1/query_exemplars"] = as_json({"data": [series]})
    assert run(FORMAT="json") == 3
    (found,) = json.loads(capsys.readouterr().out)["firing"]
    assert (found["trace"]["id"], found["trace"]["value"]) == ("high", 9.5)
    assert "high" in found["trace"]["url"]


def test_make_alerts_and_the_link_of_a_message_look_back_as_far() -> None:
    assert worst.BEFORE_SECONDS == of_links.BEFORE_SECONDS


def test_a_link_into_the_checkout_is_none() -> None:
    """Only the annotation `runbook_url` says where a runbook is."""
    assert told.runbook_of(alert(runbook="docs/runbooks/x.md#down")) == ""


def test_without_a_watchdog_silence_is_no_good_news(world: dict[str, Answer], capsys: Said) -> None:
    world["/api/v1/rules"] = as_json({"data": {"groups": groups(rule(SLOW, "pending"))}})
    assert run() == 3
    assert "Watchdog does not fire" in capsys.readouterr().out


def test_a_dead_alertmanager_is_said(world: dict[str, Answer], capsys: Said) -> None:
    del world["/api/v2/alerts"]
    fires(world, rule(SLOW, "firing"))
    assert run() == 3
    said = capsys.readouterr().out
    assert "Alertmanager does not answer" in said and "ScrapeSlow" in said


def test_a_dead_prometheus_is_a_fault(world: dict[str, Answer]) -> None:
    del world["/api/v1/rules"]
    with pytest.raises(Fault, match="Prometheus does not answer"):
        run()


def test_an_unknown_format_is_refused(world: dict[str, Answer]) -> None:
    with pytest.raises(Fault, match="FORMAT=yaml"):
        run(FORMAT="yaml")


def test_the_json_has_the_keys_of_its_page(world: dict[str, Answer], capsys: Said) -> None:
    fires(world, rule(DOWN, "firing"))
    run(FORMAT="json")
    found = json.loads(capsys.readouterr().out)
    page = (REPO / "docs" / "alerts.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M))
    assert {*found, *found["firing"][0]} <= rows


def test_it_is_watched_until_interrupted(
    world: dict[str, Answer], capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        world.pop("/api/v1/rules", None)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run(WATCH="1")
    said = capsys.readouterr()
    assert "0 firing" in said.out and "does not answer" in said.err
