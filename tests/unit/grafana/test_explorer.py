"""The request explorer's chosen request: what it asks of the stores, and how far back it looks."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from grafana.dashboards import requests
from grafana.pictures import board, expand, values
from grafana.pictures.board import Json, Panel
from stack.stores.protocol import Window

(EXPLORER,) = (one for one in board.load() if one.uid == "llm-requests")
PANELS = {panel.title: panel for panel in EXPLORER.panels}
LINES, TRACE = PANELS["Log lines of the chosen request"], PANELS["Trace of the chosen request"]
LOGS = [panel for panel in EXPLORER.panels if panel.kind == "logs"]
HOUR = 3600


def variable(name: str) -> Json:
    (found,) = (one for one in EXPLORER.variables if one["name"] == name)
    return found


def test_lines_reach_back_further_than_a_short_range() -> None:
    # An override counts from now and only where the range does; a fixed one would cut a long range.
    (name,) = expand.names(LINES.raw["timeFrom"])
    assert LINES.raw["timeFrom"] == f"${{{name}}}s"
    assert LINES.raw["hideTimeOverride"] is True, "Grafana would print `Last 21600 seconds`"
    told = variable(name)
    assert told["current"]["value"] == str(requests.REACH)
    assert told["skipUrlSync"]
    assert re.search(told["regex"].strip("/"), '{le="21600"} 1 0')


def test_only_the_lines_have_a_time_of_their_own() -> None:
    assert [panel.title for panel in EXPLORER.panels if "timeFrom" in panel.raw] == [LINES.title]


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
@pytest.mark.parametrize(("seconds", "reach"), [(1800, 6 * HOUR), (24 * HOUR, 24 * HOUR)])
def test_the_reach_is_six_hours_or_the_range(tmp_path: Path, seconds: int, reach: int) -> None:
    macros = expand.macros(Window(0, seconds), 5.0)
    asked = {
        "expr": expand.fill(values.told(variable("lines_seconds")), macros),
        "exp_samples": [{"labels": f'{{le="{reach}"}}', "value": 1}],
    }
    path = tmp_path / "reach.yaml"
    test = {"interval": "1m", "input_series": [], "promql_expr_test": [asked]}
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_old_id_without_lines_is_told_what_to_do() -> None:
    said = LINES.defaults["noValue"]
    assert "click an id" in said
    assert "time" in said


def test_the_trace_has_room_for_its_spans_and_lines_are_wrapped() -> None:
    assert TRACE.grid[3] >= 16
    assert LOGS
    assert all(panel.options["wrapLogMessage"] for panel in LOGS)


def asks_lines_of_a_trace(panel: Panel) -> bool:
    return any("trace_id=" in target.get("expr", "") for target in panel.targets)


def test_no_panel_asks_for_the_lines_without_a_trace() -> None:
    for one in board.load():
        for panel in filter(asks_lines_of_a_trace, one.panels):
            # `trace_id=""` is true of every line that has none: the stream must be nobody's.
            assert all("${no_trace}" in t["expr"].partition("}|")[0] for t in panel.targets)


def test_a_time_is_neither_excluded_nor_lost() -> None:
    # Excluding a field called Time excludes every field of times.
    for one in board.load():
        for panel in one.panels:
            for step in panel.raw.get("transformations", []):
                assert not step["options"].get("excludeByName"), panel.title
    shown = json.dumps(PANELS["Newest slow traces"].raw["transformations"])
    assert '"Start time": true' in shown
