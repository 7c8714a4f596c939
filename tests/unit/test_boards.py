"""Every board's JSON: sound by our lint, small, thresholds from the SLO file, links complete."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.pictures import board, lint
from grafana.pictures.board import Board, Json, Panel

REPO = Path(__file__).parents[2]
BOARDS = board.load()
PANELS = [(one, panel) for one in BOARDS for panel in one.panels]
SLO = yaml.safe_load((REPO / "prometheus/slo.yaml").read_text())["thresholds"]


def named(uid: str) -> Board:
    return next(one for one in BOARDS if one.uid == uid)


def test_the_seven_boards_stand_in_the_order_of_their_links() -> None:
    uids = [link["url"].removeprefix("/d/") for link in BOARDS[0].raw["links"]]
    assert uids == [one.uid for one in BOARDS]
    assert len(uids) == 7
    assert all(one.raw["links"] == BOARDS[0].raw["links"] for one in BOARDS)
    assert "inControlsMenu" not in json.dumps([one.raw for one in BOARDS]), "a closed menu"


def test_lint_finds_nothing() -> None:
    assert lint.faults(BOARDS) == []


Spoil = Callable[[Json, Json], Any]
SPOILED: list[tuple[str, Spoil]] = [
    ("no provisioned data source", lambda b, p: p["targets"][0]["datasource"].update(uid="prom")),
    ("variable $modell", lambda b, p: p["targets"][0].update(expr='up{a="$modell"}')),
    ("leads to no board", lambda b, p: b["links"][0].update(url="/d/llm-gone")),
    ("loses the time", lambda b, p: b["links"][0].update(keepTime=False)),
    ("used twice", lambda b, p: p.update(id=b["panels"][2]["id"])),
    ("lies over", lambda b, p: p["gridPos"].update(b["panels"][2]["gridPos"])),
    ("outside the grid", lambda b, p: p["gridPos"].update(x=22)),
    ("unit furlongs", lambda b, p: p["fieldConfig"]["defaults"].update(unit="furlongs")),
    ("one sentence", lambda b, p: p.update(description="Two. Sentences.")),
    ("vector(0)", lambda b, p: p["targets"][0].update(expr="sum(up) or vector(0)")),
    ("has no legend", lambda b, p: p["targets"][0].update(legendFormat="")),
    ("raw _bucket", lambda b, p: p["targets"][0].update(exemplar=True)),
    ("open bracket", lambda b, p: p["targets"][0].update(expr="sum(up")),
    ("panel type pie", lambda b, p: p.update(type="piechart")),
    ("no query", lambda b, p: p.update(targets=[])),
    ("transformation", lambda b, p: p.update(transformations=[{"id": "limit", "options": {}}])),
    ("changes nothing", lambda b, p: b["templating"]["list"].append({"name": "zone"})),
    ("12 at most", lambda b, p: b["panels"].extend([p, p])),
]


@pytest.mark.parametrize(("fault", "spoil"), SPOILED, ids=[name for name, _ in SPOILED])
def test_lint_finds_each_fault(fault: str, spoil: Spoil) -> None:
    raw = copy.deepcopy(named("llm-overview").raw)
    spoil(raw, next(panel for panel in raw["panels"] if panel["type"] == "stat"))
    found = lint.faults([Board(raw), *BOARDS[1:]])
    assert any(fault in line for line in found), found


def test_lint_finds_two_boards_with_one_uid() -> None:
    assert any("same uid" in line for line in lint.faults([*BOARDS, BOARDS[0]]))


def test_a_link_may_set_what_only_the_other_board_knows() -> None:
    (panel,) = (p for p in named("llm-cost").panels if p.title == "Most expensive requests")
    assert any("var-trace=" in url for url in panel.links())
    raw = copy.deepcopy(named("llm-cost").raw)
    text = json.dumps(raw).replace("var-trace=", "var-gone=").replace("${dearer}", "${slower}")
    found = lint.faults([Board(json.loads(text)), *(b for b in BOARDS if b.uid != "llm-cost")])
    assert [line.rpartition(" ")[2] for line in found] == ["$gone", "$slower"]


@pytest.mark.parametrize(("one", "panel"), PANELS, ids=[f"{b.uid} {p.title}" for b, p in PANELS])
def test_red_begins_where_the_slo_file_says(one: Board, panel: Panel) -> None:
    # No objectives: a spent budget, a nanosecond of the ledger, and the counts of telemetry.py.
    own = {"llm-cost": {1.0}, "llm-bill": {1e-9}, "llm-overview": {1.0}}
    own["llm-telemetry"] = {1.0, 0.0001, 0.05, 4.0}
    steps = panel.defaults.get("thresholds", {}).get("steps", [])
    drawn = {float(step["value"]) for step in steps if step["value"] is not None}
    allowed = {float(entry["value"]) for entry in SLO.values()}
    assert drawn <= allowed | own.get(one.uid, set())


@pytest.mark.parametrize("name", ["request_duration", "time_to_first_token", "kv_cache_usage"])
def test_a_changed_slo_changes_the_boards(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from grafana.dashboards import overview, slo

    changed = {**slo._thresholds(), name: {**SLO[name], "value": 0.777}}
    monkeypatch.setattr(slo, "_thresholds", lambda: changed)
    assert '"value": 0.777' in overview.build()


def test_rates_follow_the_panel_and_sums_the_range() -> None:
    allowed = {"$__rate_interval", "$__range", "$__auto", "10m"}
    for _, panel in PANELS:
        for target in panel.targets:
            found = set(re.findall(r"\[([^]]+)\]", target.get("expr", "")))
            assert found <= allowed, panel.title


def test_every_board_has_the_three_variables_and_both_marks() -> None:
    for one in BOARDS:
        assert [v["name"] for v in one.variables][:3] == ["model", "tenant", "instance"]
        assert [mark["name"] for mark in one.annotations] == ["Alerts", "Deploys"]


def test_latency_and_cost_panels_lead_to_traces() -> None:
    shown = {p.title for _, p in PANELS if any(t.get("exemplar") for t in p.targets)}
    assert shown >= {"Duration, p50 p95 p99", "Cost of one request", "Time to first token (TTFT)"}
    assert len(shown) == 9


@pytest.mark.parametrize(("uid", "count"), [("llm-requests", 10), ("llm-cost", 8)])
def test_boards_read_fields_that_are_logged(uid: str, count: int) -> None:
    logged = (REPO / "server/logs.py").read_text()
    text = json.dumps(named(uid).raw)
    fields = set(re.findall(r'(\w+)=\\"\1\\"', text)) - {"event"}
    assert len(fields) == count
    assert not {f for f in fields if f'"{f}"' not in logged and f"{f}=" not in logged}


def test_a_tables_columns_are_what_its_query_keeps() -> None:
    for uid, title in (
        ("llm-cost", "Most expensive requests"),
        ("llm-requests", "Dearest requests"),
    ):
        (panel,) = (p for p in named(uid).panels if p.title == title)
        kept = set(re.findall(r"\w+", panel.targets[0]["expr"].split("max by (")[1].split(")")[0]))
        (step,) = panel.raw["transformations"]
        assert set(step["options"]["includeByName"]) - {"Value #A"} <= kept


def test_the_two_measures_are_told_apart_and_never_added() -> None:
    beside = [p for _, p in PANELS if any(_starts(t, "device ") for t in p.targets)]
    assert len(beside) == 6
    for panel in beside:
        assert any(_starts(target, "list ") for target in panel.targets)
        assert panel.field("device m")["custom.lineStyle"]["fill"] == "dash"
        assert "custom.lineStyle" not in panel.field("list m")
        assert panel.defaults["custom"].get("stacking", {}).get("mode") != "normal"
    (outcome,) = (p for p in beside if p.title == "By outcome")
    assert outcome.field("list ok")["color"] == outcome.field("device ok")["color"]


def _starts(target: Json, beginning: str) -> bool:
    return str(target.get("legendFormat", "")).startswith(beginning)


def test_outcomes_of_the_boards_are_those_of_the_server() -> None:
    from grafana.dashboards.panels import OUTCOMES

    text = (REPO / "server/record.py").read_text()
    body = text[text.index("class Outcome") :].split("class ", 2)[1]
    assert set(re.findall(r'= "(\w+)"', body)) == set(OUTCOMES)
