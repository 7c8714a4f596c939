"""Grafana's provisioning and the board: fresh, linked, and asking only for what exists."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import MADE

REPO = Path(__file__).parents[2]
PROVISIONING = REPO / "grafana/provisioning"
BOARD = REPO / "grafana/dashboards/generated/overview.json"


def data_sources() -> dict[str, dict[str, Any]]:
    text = (PROVISIONING / "datasources/datasources.yaml").read_text()
    return {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}


def panels() -> list[dict[str, Any]]:
    board = json.loads(BOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from panel["targets"]


def prometheus_queries() -> Iterator[str]:
    for panel in panels():
        for target in targets(panel):
            if target["datasource"]["uid"] == "prometheus":
                yield target["expr"]
    for query in data_sources()["tempo"]["jsonData"]["tracesToMetrics"]["queries"]:
        yield query["query"]


def metric_names(expression: str) -> set[str]:
    """Return the series a PromQL expression reads: each name in front of a selector."""
    return set(re.findall(r"([A-Za-z_:][A-Za-z0-9_:]*)\{", expression))


def our_series() -> set[str]:
    """Return the series that the catalogue says we make."""
    return {series for metric in MADE for series in metric.series}


def vllm_series() -> set[str]:
    """Return the names that the installed vLLM gives to its gauges."""
    spec = find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail("vLLM is missing: install requirements/dev.lock")
    loggers = Path(next(iter(spec.submodule_search_locations))) / "v1/metrics/loggers.py"
    return set(re.findall(r'"(vllm:\w+)"', loggers.read_text()))


def run_dashboards(*arguments: str, cwd: Path = REPO) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grafana.dashboards", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_committed_board_is_what_the_python_file_says() -> None:
    done = run_dashboards("--check")
    assert done.returncode == 0, done.stderr


def test_check_names_a_stale_board(tmp_path: Path) -> None:
    target = tmp_path / "grafana/dashboards"
    target.joinpath("generated").mkdir(parents=True)
    for source in (REPO / "grafana/dashboards").glob("*.py"):
        (target / source.name).write_text(source.read_text())
    target.parent.joinpath("__init__.py").touch()
    (target / "generated/overview.json").write_text("{}")
    done = run_dashboards("--check", cwd=tmp_path)
    assert done.returncode == 1
    assert "overview.json is stale" in done.stderr
    assert run_dashboards(cwd=tmp_path).returncode == 0
    assert run_dashboards("--check", cwd=tmp_path).returncode == 0


def test_only_one_file_imports_the_sdk() -> None:
    files = (REPO / "grafana").rglob("*.py")
    importers = [
        f.name for f in files if re.search(r"^(from|import) grafana_f", f.read_text(), re.MULTILINE)
    ]
    assert importers == ["sdk.py"]


def test_every_data_source_the_board_names_exists() -> None:
    used = set(re.findall(r'"uid": "(\w+)"', json.dumps(json.loads(BOARD.read_text())["panels"])))
    assert used == {"prometheus", "loki"}
    assert used <= set(data_sources())


def test_links_lead_to_existing_data_sources() -> None:
    text = (PROVISIONING / "datasources/datasources.yaml").read_text()
    linked = set(re.findall(r"datasourceUid: (\w+)", text))
    assert linked == {"prometheus", "tempo", "loki"}
    assert linked <= set(data_sources())


def test_metric_to_trace() -> None:
    settings = data_sources()["prometheus"]["jsonData"]
    (link,) = settings["exemplarTraceIdDestinations"]
    assert (link["name"], link["datasourceUid"]) == ("trace_id", "tempo")


def test_grafana_knows_the_true_scrape_interval() -> None:
    config = yaml.safe_load((REPO / "prometheus/prometheus.yaml").read_text())
    interval = data_sources()["prometheus"]["jsonData"]["timeInterval"]
    assert interval == config["global"]["scrape_interval"]


def test_trace_to_logs() -> None:
    link = data_sources()["tempo"]["jsonData"]["tracesToLogsV2"]
    assert link["customQuery"] is True
    assert link["query"] == '{$${__tags}} | trace_id="$${__trace.traceId}"'
    assert link["tags"] == [{"key": "service.name", "value": "service_name"}]


def test_logs_to_trace() -> None:
    (link,) = data_sources()["loki"]["jsonData"]["derivedFields"]
    assert (link["matcherType"], link["matcherRegex"]) == ("label", "trace_id")
    assert (link["url"], link["datasourceUid"]) == ("$${__value.raw}", "tempo")


def test_trace_to_metrics_joins_by_what_the_spans_carry() -> None:
    link = data_sources()["tempo"]["jsonData"]["tracesToMetrics"]
    assert {tag["value"] for tag in link["tags"]} == {"job", "instance", "model"}
    sources = "".join((REPO / "server" / f).read_text() for f in ("tracing.py", "telemetry.py"))
    assert all(f'"{tag["key"]}"' in sources for tag in link["tags"])


def test_provisioning_expands_only_addresses_and_paths() -> None:
    # Grafana expands `$NAME`: anything else it must keep is written `$$`.
    for path in PROVISIONING.rglob("*.yaml"):
        lines = [line for line in path.read_text().splitlines() if not line.strip().startswith("#")]
        expanded = re.findall(r"(?<!\$)\$(?!\$)(\{?\w*)", "\n".join(lines))
        assert expanded, path.name
        assert all(re.fullmatch(r"[A-Z]+_(URL|PATH)", name) for name in expanded), path.name


def test_queries_read_only_series_that_exist() -> None:
    known = our_series() | vllm_series()
    assert "llm_requests_total" in known
    read = set().union(*(metric_names(expression) for expression in prometheus_queries()))
    assert read
    assert read <= known, f"nobody emits {sorted(read - known)}"


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_panel_says_what_it_shows_and_what_to_do(panel: dict[str, Any]) -> None:
    description = panel["description"]
    assert description.endswith(".")
    assert len(re.findall(r"\.(\s|$)", description)) == 1, "one sentence"
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_exemplars_come_from_raw_buckets(panel: dict[str, Any]) -> None:
    for target in targets(panel):
        names = metric_names(target["expr"])
        if target.get("exemplar"):
            assert all(n.endswith("_bucket") and ":" not in n for n in names), names


def test_latency_and_cost_panels_show_exemplars() -> None:
    shown = {p["title"] for p in panels() if any(t.get("exemplar") for t in targets(p))}
    assert len(shown) == 5, shown


def test_rates_use_the_panel_interval() -> None:
    for expression in prometheus_queries():
        for interval in re.findall(r"\[([^]]+)\]", expression):
            assert interval.lstrip("$") == "__rate_interval"


def test_cost_threshold_is_the_alerts() -> None:
    (panel,) = [p for p in panels() if p["title"].startswith("Cost per 1000")]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 100_000
    assert 'le="100000.0"' in (REPO / "prometheus/alerts/cost.yaml").read_text()


def test_log_panel_reads_fields_that_are_logged() -> None:
    (panel,) = [p for p in panels() if p["type"] == "logs"]
    logged = (REPO / "server/logs.py").read_text()
    (expression,) = [target["expr"] for target in targets(panel)]
    fields = set(re.findall(r'(\w+)="\1"', expression))
    assert len(fields) == 10
    missing = {f for f in fields - {"event"} if f'"{f}"' not in logged and f"{f}=" not in logged}
    assert not missing


def test_board_is_small_and_filterable() -> None:
    board = json.loads(BOARD.read_text())
    assert len(panels()) <= 12
    assert [v["name"] for v in board["templating"]["list"]] == ["model", "instance"]


def test_grafana_needs_a_login_and_stays_at_home() -> None:
    settings = (REPO / "grafana/grafana.ini").read_text()
    assert "[auth.anonymous]\nenabled = false" in settings
    assert "preinstall_disabled = true" in settings
    assert "reporting_enabled = false" in settings
    assert "password =" not in settings
