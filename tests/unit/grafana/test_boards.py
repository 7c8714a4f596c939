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

REPO = Path(__file__).parents[3]
BOARDS = board.load()
PANELS = [(one, panel) for one in BOARDS for panel in one.panels]
SLO_FILE = yaml.safe_load((REPO / "prometheus/slo.yaml").read_text())
SLO, FASTEST_BURN = SLO_FILE["thresholds"], SLO_FILE["burn_rates"][0]["factor"]


def named(uid: str) -> Board:
    return next(one for one in BOARDS if one.uid == uid)


def test_the_eight_boards_stand_in_the_order_of_their_links() -> None:
    *urls, alerts = (link["url"] for link in BOARDS[0].raw["links"])
    uids = [url.removeprefix("/d/") for url in urls]
    assert alerts.endswith(":9095/alerts/newest")
    assert uids == [one.uid for one in BOARDS]
    assert len(uids) == 8
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
    ("has no legend", lambda b, p: p["targets"][0].update(legendFormat="", instant=False)),
    ("raw _bucket", lambda b, p: p["targets"][0].update(exemplar=True)),
    ("open bracket", lambda b, p: p["targets"][0].update(expr="sum(up")),
    ("panel type pie", lambda b, p: p.update(type="piechart")),
    ("no query", lambda b, p: p.update(targets=[])),
    ("transformation", lambda b, p: p.update(transformations=[{"id": "limit", "options": {}}])),
    ("two queries are called A", lambda b, p: p["targets"].append(p["targets"][0])),
    ("changes nothing", lambda b, p: b["templating"]["list"].append({"name": "zone"})),
    ("14 at most", lambda b, p: b["panels"].extend([p] * 3)),
]


@pytest.mark.parametrize(("fault", "spoil"), SPOILED, ids=[name for name, _ in SPOILED])
def test_lint_finds_each_fault(fault: str, spoil: Spoil) -> None:
    raw = copy.deepcopy(named("llm-overview").raw)
    spoil(raw, next(panel for panel in raw["panels"] if panel["type"] == "stat"))
    found = lint.faults([Board(raw), *BOARDS[1:]])
    assert any(fault in line for line in found), found


TOLD = "slow_edge"
SPOILED_EXPLORER: list[tuple[str, Callable[[Json, Json, Json], Any]]] = [
    ("is no question of", lambda p, t, v: t.update(refId="A")),
    ("is no question of", lambda p, t, v: t.update(refId="fastest_requests")),
    ("two queries are called", lambda p, t, v: t.update(refId="slowest_outliers")),
    ("transformation", lambda p, t, v: p["transformations"].append({"id": "reduce"})),
    ("takes no label", lambda p, t, v: v.update(regex="")),
    ("does not follow the time range", lambda p, t, v: v.update(refresh=1)),
    ("stay out of links", lambda p, t, v: v.update(skipUrlSync=False)),
    ("must be hidden", lambda p, t, v: v.update(hide=0)),
]


@pytest.mark.parametrize(("fault", "spoil"), SPOILED_EXPLORER)
def test_lint_finds_what_no_store_or_variable_could_answer(
    fault: str, spoil: Callable[[Json, Json, Json], Any]
) -> None:
    raw = copy.deepcopy(named("llm-requests").raw)
    panel = next(one for one in raw["panels"] if one["title"] == "Slowest requests")
    (told,) = (one for one in raw["templating"]["list"] if one["name"] == TOLD)
    spoil(panel, panel["targets"][0], told)
    found = lint.faults([Board(raw), *(one for one in BOARDS if one.uid != "llm-requests")])
    assert any(fault in line for line in found), found


def test_lint_finds_two_boards_with_one_uid() -> None:
    assert any("same uid" in line for line in lint.faults([*BOARDS, BOARDS[0]]))


def test_a_link_may_set_what_only_the_other_board_knows() -> None:
    (panel,) = (p for p in named("llm-cost").panels if p.title == "Most expensive requests")
    assert any("var-trace=" in url for url in panel.links())
    raw = copy.deepcopy(named("llm-cost").raw)
    text = json.dumps(raw).replace("var-trace=", "var-gone=").replace("${dearer}", "${slower}")
    assert "${slower}" in text
    found = lint.faults([Board(json.loads(text)), *(b for b in BOARDS if b.uid != "llm-cost")])
    assert [line.rpartition(" ")[2] for line in found] == ["$gone", "$slower"]


@pytest.mark.parametrize(("one", "panel"), PANELS, ids=[f"{b.uid} {p.title}" for b, p in PANELS])
def test_red_begins_where_the_slo_file_says(one: Board, panel: Panel) -> None:
    # No objectives: a spent budget, a nanosecond of the ledger, and the counts of telemetry.py.
    own = {"llm-cost": {1.0}, "llm-bill": {1e-9}, "llm-overview": {FASTEST_BURN}}
    own["llm-telemetry"] = {1.0, 0.0001, 0.05, 4.0}
    steps = panel.defaults.get("thresholds", {}).get("steps", [])
    drawn = {float(step["value"]) for step in steps if step["value"] is not None}
    lines = [t["expr"] for t in panel.targets if t["refId"] == "limit"]
    drawn |= {float(expr.partition("(")[2].partition(")")[0]) for expr in lines}
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


def test_every_board_has_the_three_variables_and_all_marks() -> None:
    for one in BOARDS:
        assert [v["name"] for v in one.variables][:3] == ["model", "tenant", "instance"]
        marks = [mark["name"] for mark in one.annotations]
        assert marks == ["Alerts", "Deploys", "Load tests", "Load stages"]


def test_latency_and_cost_panels_lead_to_traces() -> None:
    shown = {p.title for _, p in PANELS if any(t.get("exemplar") for t in p.targets)}
    assert shown >= {"Duration, p50 p95 p99", "Cost of one request", "Time to first token (TTFT)"}
    assert len(shown) == 12


def _of_logs(panel: Panel) -> list[Json]:
    return [target for target in panel.targets if target["datasource"]["uid"] == "loki"]


LINES = [(one, panel) for one, panel in PANELS if _of_logs(panel)]


@pytest.mark.parametrize(("one", "panel"), LINES, ids=[f"{b.uid} {p.title}" for b, p in LINES])
def test_boards_read_fields_that_are_logged(one: Board, panel: Panel) -> None:
    logged = (REPO / "server/signals/logs.py").read_text()
    asked = {name for target in _of_logs(panel) for name in _fields(target["expr"])}
    asked |= {name for name in _organized(panel) if name != "Time"}
    assert asked
    assert not {f for f in asked if f'"{f}"' not in logged}


def _fields(query: str) -> list[str]:
    """Structured metadata that a LogQL query filters by or takes the value of."""
    return re.findall(r"\| (?:unwrap )?(?!__|unwrap|event)(\w+)", query)


def _organized(panel: Panel) -> list[str]:
    steps = {step["id"]: step["options"] for step in panel.raw.get("transformations", [])}
    return list(steps.get("organize", {}).get("includeByName", {}))


RANKED = [
    ("llm-cost", "Most expensive requests", "cost_microdollars", 10),
    ("llm-requests", "Dearest requests", "cost_microdollars", 10),
    ("llm-requests", "Slowest requests", "duration_seconds", 10),
    ("llm-requests", "Failed requests", "Time", 100),
]


@pytest.mark.parametrize(("uid", "title", "field", "rows"), RANKED)
def test_a_ranking_sorts_the_lines_by_a_number_before_it_cuts_them(
    uid: str, title: str, field: str, rows: int
) -> None:
    (panel,) = (p for p in named(uid).panels if p.title == title)
    steps = {step["id"]: step["options"] for step in panel.raw["transformations"]}
    order = ["extractFields", "merge", "convertFieldType", "sortBy", "limit", "organize"]
    assert list(steps) == order
    assert steps["extractFields"]["source"] == "labels"
    assert steps["sortBy"]["sort"] == [{"field": field, "desc": True}]
    assert steps["limit"] == {"limitField": rows}
    numbers = {c["targetField"] for c in steps["convertFieldType"]["conversions"]}
    units = {name: panel.field(steps["organize"]["renameByName"][name]) for name in numbers}
    assert all(settings["unit"] != "string" for settings in units.values())
    assert {field, "input_tokens", "output_tokens"} - {"Time"} <= numbers


def test_no_board_makes_a_series_of_a_request() -> None:
    for _, panel in LINES:
        for target in _of_logs(panel):
            query = target["expr"]
            assert "topk" not in query or "by (tenant)" in query, panel.title
            assert "trace_id," not in query, panel.title
            assert target["maxLines"] <= 1000 or "quantile_over_time" in query


def test_a_ranking_asks_above_two_edges_of_its_histogram() -> None:
    for uid, title, field, rows in RANKED:
        (panel,) = (p for p in named(uid).panels if p.title == title)
        above = [target["expr"].partition(f"| {field} > ")[2] for target in panel.targets]
        word = {"cost_microdollars": "dear", "duration_seconds": "slow"}.get(field)
        # The second, too, is above the first edge: a reader may have typed a higher one.
        both = f"${{{word}_edge}} | {field} > ${{{word}_next_edge}}"
        wanted = [f"${{{word}_edge}}", both] if word else [""]
        assert (above, rows) == (wanted, 10 if word else 100)


def test_without_a_chosen_trace_neither_store_is_asked_for_one() -> None:
    panels = {panel.title: panel for panel in named("llm-requests").panels}
    (trace,) = panels["Trace of the chosen request"].targets
    (lines,) = panels["Log lines of the chosen request"].targets
    assert trace["query"] == "${trace}${no_trace}"
    assert lines["expr"] == '{service_name="llm-server${no_trace}"} | trace_id="$trace"'
    (told,) = (v for v in named("llm-requests").variables if v["name"] == "no_trace")
    # Grafana takes hexadecimal digits, and nothing at all, for an id.
    assert re.search('le", "{resource.service.name=`none`}"', told["query"])


@pytest.mark.parametrize("uid", ["llm-cost", "llm-requests"])
def test_a_typed_threshold_travels_with_a_click_and_a_told_one_does_not(uid: str) -> None:
    one = named(uid)
    urls = {url for panel in one.panels for url in panel.links() if "var-trace=" in url}
    assert urls
    assert all("&var-dearer=${dearer}" in url and "edge" not in url for url in urls)
    told = {v["name"]: v for v in one.variables if "query_result(" in str(v["query"])}
    assert {"dear_edge", "dear_next_edge"} <= set(told)
    assert all(v["skipUrlSync"] and v["hide"] == 2 for v in told.values())
    assert not any(v["skipUrlSync"] for v in one.variables if v["name"] not in told)


def test_what_is_told_names_its_job_and_counts_the_range() -> None:
    told = [v["query"] for one in BOARDS for v in one.variables if "increase(" in str(v["query"])]
    assert len(told) == 6
    for query in told:
        assert query.count('job="llm-server"') == query.count("[$__range]") == 2
        assert "\n" not in query, "Grafana reads one line"


def test_the_collectors_own_series_are_asked_for_by_job() -> None:
    # Jaeger is a Collector as well, and has series of the same names.
    asked = [t["expr"] for _, p in PANELS for t in p.targets if "otelcol_" in t.get("expr", "")]
    assert len(asked) > 10
    for query in asked:
        names = re.findall(r"otelcol_\w+(\{[^}]*\})?", query)
        assert all('job="' in selector for selector in names), query


@pytest.mark.parametrize("title", ["Arriving in the stores", "Thrown away by the stores"])
def test_a_panel_of_the_stores_has_lines_whichever_run(title: str) -> None:
    (panel,) = (p for p in named("llm-telemetry").panels if p.title == title)
    names = {str(target["legendFormat"]).split()[0] for target in panel.targets}
    assert names == {"Prometheus", "Tempo", "Jaeger", "Loki", "VictoriaLogs"}


def test_the_two_measures_are_told_apart_and_never_added() -> None:
    beside = [p for _, p in PANELS if any(_starts(t, "device ") for t in p.targets)]
    assert len(beside) == 7
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
    from grafana.dashboards.colors import OUTCOMES
    from grafana.pictures.questions import FAILED

    assert {*FAILED, "ok"} == set(OUTCOMES)
    text = (REPO / "server/record/request.py").read_text()
    body = text[text.index("class Outcome") :].split("class ", 2)[1]
    assert set(re.findall(r'= "(\w+)"', body)) == set(OUTCOMES)
