"""The board of a load test: one run, its client beside the server, its marks on every board."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.pictures import board, excuses, expand, values
from grafana.pictures.board import Panel
from grafana.pictures.stores import Stores
from loadtest.rows import OUTCOMES
from server.catalogue import ALL, BY_SERIES, ceilings
from server.catalogue.loadtest import LOADTEST
from server.catalogue.promql import selectors
from server.catalogue.uses import Use, wrong
from stack.stores.protocol import Window
from tests.unit.picture_stores import answering

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
BOARDS = board.load()
(BOARD,) = (one for one in BOARDS if one.uid == "llm-loadtest")
PANELS = {panel.title: panel for panel in BOARD.panels}
RUN = re.compile(r"loadtest_\w+\{([^}]*)\}")


def queries(panel: Panel) -> list[str]:
    return [target["expr"] for target in panel.targets]


def test_every_query_of_the_generator_names_its_job_and_the_chosen_run() -> None:
    asked = [matchers for p in BOARD.panels for q in queries(p) for matchers in RUN.findall(q)]
    assert len(asked) > 15
    for matchers in asked:
        assert matchers.startswith('job="loadtest", instance="$run"')


def test_a_query_without_the_generators_job_is_named() -> None:
    sound, foreign = (f'sum(loadtest_stage{{job="{job}"}})' for job in ("loadtest", "llm-server"))
    assert list(wrong(Use("x", sound), BY_SERIES, set())) == []
    (line,) = wrong(Use("x", foreign), BY_SERIES, set())
    assert line == 'x: loadtest_stage lacks job="loadtest": others may use that name too'


def test_all_that_a_run_pushes_is_absent_without_one_and_pages_nobody() -> None:
    assert {m.name for m in ALL if m.name.startswith("loadtest_")} == {m.name for m in LOADTEST}
    assert all(m.source == "loadtest" and m.absent for m in LOADTEST)
    assert "loadtest" not in ceilings.alerts()


@pytest.mark.parametrize("title", ["Duration", "TTFT", "TPOT", "In flight"])
def test_what_the_server_counts_is_dashed_beside_its_client(title: str) -> None:
    panel = PANELS[f"{title}, client and server"]
    lines = {str(target["legendFormat"]): str(target["expr"]) for target in panel.targets}
    lines = {name: query for name, query in lines.items() if name not in ("dots", "limit")}
    assert {legend.split()[0] for legend in lines} == {"client", "server"}
    for legend, query in lines.items():
        (read,) = {selector.name for selector in selectors(query)}
        assert read.startswith("loadtest_") == legend.startswith("client")
        assert ("custom.lineStyle" in panel.field(legend)) == legend.startswith("server")


def test_client_and_server_are_compared_by_the_same_edges() -> None:
    for title in ("Duration", "TTFT", "TPOT"):
        names = {
            s.name for q in queries(PANELS[f"{title}, client and server"]) for s in selectors(q)
        }
        names = {name for name in names if name.endswith("_bucket")}
        client, server = (BY_SERIES[name] for name in sorted(names, reverse=True))
        assert client.name.startswith("loadtest_")
        assert client.buckets == server.buckets


def test_outcomes_of_the_server_keep_their_colors() -> None:
    from grafana.dashboards.colors import OUTCOMES as COLORED

    assert set(COLORED) <= set(OUTCOMES)


def test_panels_of_the_generator_alone_may_be_empty_without_a_run() -> None:
    shared = {"Cost per second", "In flight, client and server"}
    shared |= {f"{clock}, client and server" for clock in ("Duration", "TTFT", "TPOT")}
    with answering() as stores:
        for title, panel in PANELS.items():
            found = excuses.excuse(stores, panel, Window(0, 1))
            assert (found == "no load test has run") == (title not in shared), title
            if found:
                assert panel.defaults.get("noValue", found) == found


def test_a_run_excuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stores, "prometheus_instant", lambda *_: [{"value": [0, "1"]}])
    with answering() as stores:
        assert {excuses.excuse(stores, p, Window(0, 1)) for p in BOARD.panels} == {""}


def test_the_run_is_a_choice_that_links_keep() -> None:
    (run,) = (v for v in BOARD.variables if v["name"] == "run")
    assert (run.get("hide", 0), run["skipUrlSync"], run["multi"]) == (0, False, False)
    assert "sort" not in run or run["sort"] == 0, "Grafana must keep the newest first"
    links = [link["url"] for one in BOARDS for link in one.raw["links"]]
    assert links.count("/d/llm-loadtest") == len(BOARDS)


SERIES = {
    'loadtest_run_info{job="loadtest", instance="old", shape="s", seed="1", worker="0"}': (
        "1x4 0 stale"
    ),
    'loadtest_run_info{job="loadtest", instance="new", shape="s", seed="1", worker="0"}': (
        "_x12 1x6"
    ),
    'loadtest_run_info{job="loadtest", instance="new", shape="s", seed="1", worker="1"}': (
        "_x12 1x6"
    ),
    'loadtest_run_info{job="other", instance="x", shape="s", seed="1", worker="0"}': "1x20",
    'loadtest_stage{job="loadtest", instance="new", phase="warmup", worker="0"}': "_x12 0x2 -1x4",
    'loadtest_stage{job="loadtest", instance="new", phase="profiling", worker="0"}': (
        "_x12 -1x2 3x4"
    ),
}


def told(folder: Path, asked: list[tuple[str, str, dict[str, float]]]) -> None:
    """Ask promtool for samples by their labels at a time."""
    tests = [
        {
            "expr": expression,
            "eval_time": at,
            "exp_samples": [{"labels": k, "value": v} for k, v in found.items()],
        }
        for expression, at, found in asked
    ]
    series = [{"series": name, "values": text} for name, text in SERIES.items()]
    test: dict[str, Any] = {"interval": "15s", "input_series": series, "promql_expr_test": tests}
    path = folder / "load.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    command = ["promtool", "test", "rules", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_marks_name_the_run_and_the_stage_while_they_last(tmp_path: Path) -> None:
    marks = {one["name"]: one["expr"] for one in BOARDS[0].annotations}
    run, stages = marks["Load tests"], marks["Load stages"]
    new = {'{instance="new", seed="1", shape="s"}': 1.0}
    asked: list[tuple[str, str, dict[str, float]]] = [
        (run, "1m", {'{instance="old", seed="1", shape="s"}': 1.0}),
        (run, "1m15s", {}),
        (run, "3m30s", new),
        (stages, "3m15s", {'{instance="new", phase="warmup", stage="0"}': 1.0}),
        (stages, "4m", {'{instance="new", phase="profiling", stage="3"}': 1.0}),
    ]
    told(tmp_path, asked)


@needs_promtool
def test_a_run_is_offered_by_when_it_was_last_seen(tmp_path: Path) -> None:
    (run,) = (v for v in BOARD.variables if v["name"] == "run")
    query = expand.fill(values.told(run), expand.macros(Window(0, 600), 5.0))
    assert query.startswith("sort_desc(")
    told(tmp_path, [(query, "6m", {'{instance="new"}': 270.0, '{instance="old"}': 75.0})])
