"""Grafana's provisioning, and that the committed boards are those the Python files say."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

REPO = Path(__file__).parents[3]
PROVISIONING = REPO / "grafana/provisioning"


def data_sources() -> dict[str, dict[str, Any]]:
    text = (PROVISIONING / "datasources/datasources.yaml").read_text()
    return {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}


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
    (tmp_path / "prometheus").mkdir()
    shutil.copy(REPO / "prometheus/slo.yaml", tmp_path / "prometheus")
    for package in ("stack", "server/catalogue"):
        shutil.copytree(REPO / package, tmp_path / package)
    shutil.copy(REPO / "server/__init__.py", tmp_path / "server")
    done = run_dashboards("--check", cwd=tmp_path)
    assert done.returncode == 1
    assert "overview.json is stale" in done.stderr
    assert run_dashboards(cwd=tmp_path).returncode == 0
    assert run_dashboards("--check", cwd=tmp_path).returncode == 0


def test_only_six_files_import_the_sdk() -> None:
    files = (REPO / "grafana").rglob("*.py")
    importers = [
        f.name for f in files if re.search(r"^(from|import) grafana_f", f.read_text(), re.MULTILINE)
    ]
    files = ["limits.py", "lines.py", "notes.py", "panels.py", "queries.py", "sdk.py"]
    assert sorted(importers) == files


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
    sources = "".join((REPO / "server/signals" / f).read_text() for f in ("tracing.py", "otlp.py"))
    assert all(f'"{tag["key"]}"' in sources for tag in link["tags"])


def test_provisioning_expands_only_addresses_and_paths() -> None:
    # Grafana expands `$NAME`: anything else it must keep is written `$$`.
    for path in PROVISIONING.rglob("*.yaml"):
        lines = [line for line in path.read_text().splitlines() if not line.strip().startswith("#")]
        expanded = re.findall(r"(?<!\$)\$(?!\$)(\{?\w*)", "\n".join(lines))
        assert bool(expanded) == (path.name != "none.yaml"), path.name
        assert all(re.fullmatch(r"[A-Z]+_(URL|PATH)", name) for name in expanded), path.name


@pytest.mark.parametrize("kind", ["alerting", "plugins", "datasources", "dashboards"])
def test_no_provisioning_folder_is_missing_or_holds_what_grafana_refuses(kind: str) -> None:
    files = list((PROVISIONING / kind).iterdir())
    assert files
    # A README would be an error at each start: Grafana reads every file in `alerting`.
    assert all(yaml.safe_load(file.read_text())["apiVersion"] == 1 for file in files)
    assert all(file.suffix == ".yaml" for file in files)


def test_loki_is_not_asked_for_rules() -> None:
    assert "ruler" not in yaml.safe_load((REPO / "loki/loki.yaml").read_text())
    assert data_sources()["loki"]["jsonData"]["manageAlerts"] is False


def test_grafana_keeps_the_plugins_of_its_image() -> None:
    settings = (REPO / "grafana/grafana.ini").read_text()
    assert re.search(r"^preinstall_disabled = true$", settings, re.MULTILINE)
    assert re.search(r"^preinstall_auto_update = false$", settings, re.MULTILINE)


def test_grafana_needs_a_login_and_stays_at_home() -> None:
    settings = (REPO / "grafana/grafana.ini").read_text()
    assert "[auth.anonymous]\nenabled = false" in settings
    assert "reporting_enabled = false" in settings
    assert "password =" not in settings


def test_a_data_sources_page_asks_nobody_outside() -> None:
    # It asks the catalogue of plugins through Grafana's server, `plugin_admin_enabled` or not.
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(REPO / "grafana/grafana.ini")
    assert urlsplit(settings["grafana_com"]["api_url"]).hostname == "127.0.0.1"
    # Port 3000 would be Grafana itself, whose 401 would send the reader to the login page.
    assert urlsplit(settings["grafana_com"]["api_url"]).port not in (80, 443, 3000)
