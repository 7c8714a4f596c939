"""What boards mark on every panel, as Prometheus answers it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from grafana.pictures import board

FIRES = 'ALERTS{alertstate="firing", alertname="EngineStalled"}'


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
def test_an_alert_is_marked_where_it_began_and_no_longer(tmp_path: Path) -> None:
    """Grafana shades a panel for as long as a mark has samples, and the lines below are hidden."""
    (asked,) = {a["expr"] for b in board.load() for a in b.annotations if a["name"] == "Alerts"}

    at = {"30s": [], "1m": [{"labels": FIRES, "value": 1}], "75s": [], "3m": []}
    series = [
        {"series": FIRES, "values": "_x4 1x20"},
        {"series": 'ALERTS{alertstate="firing", alertname="Watchdog"}', "values": "_x4 1x20"},
    ]
    test = {
        "interval": "15s",
        "input_series": series,
        "promql_expr_test": [
            {"expr": asked, "eval_time": time, "exp_samples": samples}
            for time, samples in at.items()
        ],
    }
    path = tmp_path / "marks.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
