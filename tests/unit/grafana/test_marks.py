"""What boards mark on every panel, as Prometheus answers it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from grafana.pictures import board, expand

FIRES = 'ALERTS{alertstate="firing", alertname="EngineStalled"}'


@pytest.mark.parametrize("step", [15, 60])
@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
def test_an_alert_is_marked_once_where_it_began(tmp_path: Path, step: int) -> None:
    """Grafana shades a panel for as long as a mark has samples, and the lines below are hidden."""
    (asked,) = {a["expr"] for b in board.load() for a in b.annotations if a["name"] == "Alerts"}
    first = {15: 75, 60: 120}[step]
    series = [
        {"series": FIRES, "values": "_x5 1x40"},
        {"series": 'ALERTS{alertstate="firing", alertname="Watchdog"}', "values": "_x5 1x40"},
    ]
    mark = [{"labels": FIRES, "value": 1}]
    test = {
        "interval": "15s",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": expand.fill(asked, {"__interval": f"{step}s"}),
                "eval_time": f"{at}s",
                "exp_samples": mark if at == first else [],
            }
            for at in range(0, 541, step)
        ],
    }
    path = tmp_path / "marks.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
