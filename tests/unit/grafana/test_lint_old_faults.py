"""Each fault that a Grafana showed and no lint knew: the panel as it was, and what mends it.

`old_panels.json` holds panels of our own boards as they stood when Grafana 12.2 drew them.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grafana.dashboards.colors import OUTCOMES
from grafana.pictures import lint
from grafana.pictures.board import Board, Json

OLD = json.loads((Path(__file__).parent / "old_panels.json").read_text(encoding="utf-8"))
LISTED = {"displayMode": "list", "placement": "bottom", "showLegend": True}
TRACE = {"name": "trace", "type": "textbox", "query": "", "current": {"text": "", "value": ""}}
NO_TRACE = {"name": "no_trace", "type": "query", "query": 'query_result(f("$trace"))'}
"""The box for an id, and the variable that has a text while the box is empty."""
Mend = Callable[[Json], Any]


def board(panel: Json, **more: Any) -> Board:
    variables = {"list": [TRACE, NO_TRACE]}
    raw = {"uid": "old", "title": "Old", "refresh": "30s", "templating": variables}
    return Board({**raw, "panels": [panel], **more})


def faults(panel: Json, **more: Any) -> list[str]:
    return lint.faults([board(panel, **more)])


def defaults(panel: Json) -> Json:
    found: Json = panel["fieldConfig"]["defaults"]
    return found


def expressions(panel: Json, change: Callable[[str], str]) -> None:
    for target in panel["targets"]:
        target["expr"] = change(target["expr"])


def override(panel: Json, name: str, **values: Any) -> None:
    properties = [{"id": key.replace("__", "."), "value": value} for key, value in values.items()]
    matcher = {"id": "byName", "options": name}
    panel["fieldConfig"]["overrides"].append({"matcher": matcher, "properties": properties})


def fixed(color: str) -> Json:
    return {"mode": "fixed", "fixedColor": color}


def colored(panel: Json) -> None:
    meant = {"aborted": "purple", "failed": "red", "retried": "orange", "truncated": "yellow"}
    for name, color in meant.items():
        override(panel, name, color=fixed(color))


def without_threshold(panel: Json) -> None:
    del defaults(panel)["custom"]["thresholdsStyle"], defaults(panel)["custom"]["axisSoftMax"]


def limit(panel: Json) -> None:
    source = panel["targets"][0]["datasource"]
    line = {"refId": "limit", "datasource": source, "expr": "vector(0.1)", "legendFormat": "limit"}
    panel["targets"].append(line)


def wide(panel: Json) -> None:
    panel["gridPos"].update(x=0, w=16)


def by_outcome(panel: Json) -> None:
    for outcome, color in OUTCOMES.items():
        matcher = {"id": "byRegexp", "options": f"/^{outcome}: /"}
        ink = {"id": "color", "value": fixed(color)}
        panel["fieldConfig"]["overrides"].append({"matcher": matcher, "properties": [ink]})


def narrow(panel: Json) -> None:
    panel["transformations"][-1]["options"]["includeByName"] = {"trace_id": True}


def wide_ids(panel: Json) -> None:
    override(panel, "Trace", custom__width=286)


def dark(panel: Json) -> None:
    for mapping in defaults(panel)["mappings"]:
        mapping["options"]["result"]["color"] = "transparent"


CASES: list[tuple[str, str, Mend]] = [
    ("Trace of the chosen request", "a trace needs 16 rows", lambda p: p["gridPos"].update(h=16)),
    (
        "Trace of the chosen request",
        "asks with an empty $trace",
        lambda p: p["targets"][0].update(query="${trace}${no_trace}"),
    ),
    (
        "Log lines of the chosen request",
        "its lines are cut: wrap",
        lambda p: p["options"].update(wrapLogMessage=True),
    ),
    (
        "Log lines of the chosen request",
        "asks with an empty $trace",
        lambda p: expressions(p, lambda q: q.replace('="llm-server"', '="llm-server${no_trace}"')),
    ),
    (
        "Slowest requests",
        "excludeByName of a time",
        lambda p: p["transformations"][-1]["options"].update(excludeByName={}),
    ),
    ("Dearest requests", "its columns are 764 px wide, 751 are there", narrow),
    ("Dearest requests", "10 rows do not fit, 7 do", lambda p: p["gridPos"].update(h=12)),
    ("Dearest requests", "the ids of Trace are cut: 270 px", wide_ids),
    (
        "Slowest requests",
        "the heading Duration is cut",
        lambda p: override(p, "Duration", custom__width=110),
    ),
    ("TPOT, p50 p95 p99", "does not go to a threshold", without_threshold),
    (
        "TPOT, p50 p95 p99",
        "a dot at each step",
        lambda p: p["targets"][1].update(intervalFactor=8),
    ),
    (
        "TPOT, p50 p95 p99",
        "prints the names of calculations",
        lambda p: p["options"].update(legend={**LISTED, "calcs": []}),
    ),
    (
        "TPOT, p50 p95 p99",
        "lastNotNull keeps a number",
        lambda p: p["options"].update(legend={**LISTED, "calcs": []}),
    ),
    (
        "Requests by tenant",
        "its legend has no bound: ask for the topk of tenant",
        lambda p: expressions(p, lambda query: f"topk(5, {query})"),
    ),
    (
        "By outcome",
        "its legend of 10 names is cut at 1600 px: 5 rows",
        lambda p: p["options"].update(legend={**LISTED, "calcs": []}),
    ),
    ("By outcome", "its legend of 10 names is cut at 1600 px: 5 rows", wide),
    (
        "Thrown away by the stores",
        "goes to 100 while all is zero",
        lambda p: defaults(p)["custom"].update(axisSoftMax=1),
    ),
    ("Wasted", "is of any color, on every other board purple", colored),
    ("Failures by reason", "aborted: client_disconnect is of any color", by_outcome),
    ("TTFT p95", "no traffic is the brightest field", dark),
    (
        "TTFT p95",
        "a sparkline runs through its number",
        lambda p: p["options"].update(graphMode="none"),
    ),
    (
        "Duration, all requests",
        "labels of 33 buckets lie over each other",
        lambda p: expressions(p, lambda q: q.replace('",', '", le=~"0.1|0.2|0.4|0.8",', 1)),
    ),
]


@pytest.mark.parametrize(
    ("title", "fault", "mend"), CASES, ids=[f"{title}: {fault}" for title, fault, _ in CASES]
)
def test_lint_finds_what_grafana_showed(title: str, fault: str, mend: Mend) -> None:
    panel = copy.deepcopy(OLD[title])
    assert any(fault in line for line in faults(panel)), faults(panel)
    mend(panel)
    assert not any(fault in line for line in faults(panel)), faults(panel)


@pytest.mark.parametrize(
    ("uid", "every", "least"),
    [("llm-red", "10s", 30), ("llm-red", "30s", 0), ("llm-cost", "30s", 60), ("llm-cost", "1m", 0)],
)
def test_a_refresh_that_starts_slow_panels_again(uid: str, every: str, least: int) -> None:
    found = faults(OLD["Wasted"], uid=uid, refresh=every)
    said = [line for line in found if "starts slow panels again" in line]
    assert [f"{least}s at least" in line for line in said] == ([True] if least else [])


def test_the_line_of_a_limit_stays_out_of_legend_and_tooltip() -> None:
    panel = copy.deepcopy(OLD["TPOT, p50 p95 p99"])
    limit(panel)
    assert any("limit stands in the legend or" in line for line in faults(panel))
    override(panel, "limit", custom__hideFrom={"legend": True, "tooltip": True, "viz": False})
    assert not any("limit stands in the legend or" in line for line in faults(panel))


def test_a_color_that_means_something_else_on_another_board() -> None:
    panel = copy.deepcopy(OLD["By outcome"])
    assert not any("on every other board" in line for line in faults(panel))
    override(panel, "list ok", color=fixed("orange"))
    assert any("list ok is orange, on every other board green" in line for line in faults(panel))


def test_green_is_no_loss() -> None:
    panel = copy.deepcopy(OLD["Thrown away by the stores"])
    panel["targets"] = panel["targets"][:1]
    panel["targets"][0]["legendFormat"] = "spans lost"
    assert any("spans lost may be green" in line for line in faults(panel))
    override(panel, "spans lost", color=fixed("dark-green"))
    assert any("spans lost may be green" in line for line in faults(panel))
    override(panel, "spans lost", color=fixed("red"))
    assert not any("may be green" in line for line in faults(panel))


def test_green_is_nothing_that_a_title_calls_bad() -> None:
    panel = {**copy.deepcopy(OLD["Thrown away by the stores"]), "title": "Failed transfers"}
    panel["targets"] = panel["targets"][:1]
    panel["targets"][0]["legendFormat"] = "NIXL"
    assert any("NIXL may be green" in line for line in faults(panel))
    defaults(panel)["color"] = {"mode": "shades", "fixedColor": "red"}
    assert not any("may be green" in line for line in faults(panel))


def test_a_title_that_is_cut() -> None:
    panel = {**OLD["TTFT p95"], "title": "Time to first token, at the 95th percentile"}
    assert any("its title is cut at 1600 px" in line for line in faults(panel))
    panel["gridPos"] = {**panel["gridPos"], "w": 8}
    assert not any("its title is cut" in line for line in faults(panel))


def test_faults_in_a_closed_row_are_found() -> None:
    row = {"type": "row", "title": "More", "collapsed": True, "panels": [OLD["Wasted"]]}
    row |= {"gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "id": 900}
    assert any("Wasted: " in line for line in faults(row))
