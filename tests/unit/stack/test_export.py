"""`make export`, and the page that tells of it: what is written, and that each block is run."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.commands.export import WATCH_OTHERS, export, yours
from stack.errors import Fault
from tests import docs
from tests.conftest import REPO
from tests.unit.receiving import settings_of

PAGE = "existing-stack.md"


def written(folder: Path, **values: str) -> Path:
    assert export(settings_of(folder, TO=str(folder / "to"), **values)) == 0
    return folder / "to"


def test_all_rules_are_there_but_those_that_watch_others(tmp_path: Path) -> None:
    to = written(tmp_path)
    names = {path.name for path in (to / "rules").iterdir()}
    shipped = {
        f"{folder}-{path.name}"
        for folder in ("rules", "alerts")
        for path in (REPO / "prometheus" / folder).glob("*.yaml")
    }
    left_out = {f"alerts-{name}.yaml" for name in WATCH_OTHERS}
    assert left_out < shipped
    assert names == shipped - left_out | {"alerts-server-down.yaml"}


def _selects_others(text: str) -> list[str]:
    """Alerts of a file that ask for what every target or machine has."""
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    of_all = re.compile(r"\b(?:node_\w+|(?:up|process_start_time_seconds)(?!\{job=|\w| offset))")
    return [rule["alert"] for rule in rules if of_all.search(rule.get("expr", ""))]


def test_what_is_left_in_watches_nobody_else(tmp_path: Path) -> None:
    """A doubled alert would be one on targets or machines of yours."""
    for path in (written(tmp_path) / "rules").glob("alerts-*.yaml"):
        assert _selects_others(path.read_text()) == [], path.name
    for name in WATCH_OTHERS:
        assert _selects_others((REPO / "prometheus" / "alerts" / f"{name}.yaml").read_text())


def test_as_it_is_nothing_changes(tmp_path: Path) -> None:
    to = written(tmp_path)
    for path in (REPO / "grafana" / "dashboards" / "generated").glob("*.json"):
        assert json.loads((to / "boards" / path.name).read_text()) == json.loads(path.read_text())
    assert (to / "rules" / "alerts-red.yaml").read_text() == (
        REPO / "prometheus" / "alerts" / "red.yaml"
    ).read_text()


def test_uids_and_addresses_are_yours_everywhere(tmp_path: Path) -> None:
    given = {"PROMETHEUS_UID": "my-prom", "TEMPO_UID": "my-tempo", "LOKI_UID": "my-loki"}
    urls = {"GRAFANA_URL": "https://g.example.org/", "RUNBOOKS_URL": "https://r.example.org/x"}
    to = written(tmp_path, **given, **urls)
    text = "".join(path.read_text() for path in to.rglob("*.*"))
    assert not re.search(r'"uid": "(prometheus|tempo|loki)"', text)
    assert "127.0.0.1:3000" not in text and "127.0.0.1:9095" not in text
    assert "https://g.example.org/d/llm-overview" in text
    assert "https://r.example.org/x/runbooks/red" in text
    assert all(f'"uid": "{uid}"' in text for uid in given.values())


def test_one_of_your_addresses_may_be_another_of_ours(tmp_path: Path) -> None:
    swapped = {"GRAFANA_URL": "http://127.0.0.1:9095", "RUNBOOKS_URL": "http://127.0.0.1:3000"}
    made = yours(settings_of(tmp_path, **swapped))
    both = "http://127.0.0.1:3000/d/red http://127.0.0.1:9095/runbooks"
    assert made.linked(both) == "http://127.0.0.1:9095/d/red http://127.0.0.1:3000/runbooks"


def test_what_is_there_beside_stays(tmp_path: Path) -> None:
    (tmp_path / "to" / "rules").mkdir(parents=True)
    other = tmp_path / "to" / "rules" / "other.yaml"
    other.write_text("groups: []")
    written(tmp_path)
    assert other.read_text() == "groups: []"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PROMETHEUS_UID", 'a"b'), ("LOKI_UID", "x" * 41), ("GRAFANA_URL", "grafana"),
        ("GRAFANA_URL", 'https://g"'), ("RUNBOOKS_URL", "https://g/?a=$b"),
    ],
)  # fmt: skip
def test_a_word_of_no_use_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(Fault, match=key):
        yours(settings_of(tmp_path, **{key: value}))


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="TO"):
        export(settings_of(tmp_path))


@pytest.mark.parametrize("page", [PAGE, "remote.md"])
def test_every_block_of_the_page_is_run_by_a_test(page: str) -> None:
    tests = "".join(path.read_text() for path in (REPO / "tests").rglob("*.py"))
    assert docs.blocks(page)
    for name in docs.blocks(page):
        assert re.search(rf'"{re.escape(name)}"', tests), name


def test_the_ranges_of_the_rules_allow_the_interval_that_the_page_names(tmp_path: Path) -> None:
    text = "".join(path.read_text() for path in (written(tmp_path) / "rules").iterdir())
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    shortest = min(int(n) * units[unit] for n, unit in re.findall(r"\[(\d+)([smhd])\]", text))
    assert shortest == 60, "the page says a minute"


SCENARIO = """
rule_files: [{}]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {{series: 'up{{job="llm-server", instance="a"}}', values: 1x10 0x20}}
      - {{series: 'up{{job="shop", instance="b"}}', values: 0x30}}
    promql_expr_test:
      - {{expr: 'count(ALERTS{{alertstate="firing"}})', eval_time: 150s, exp_samples: []}}
      - expr: ALERTS{{alertname="LlmServerDown", alertstate="firing"}}
        eval_time: 4m
        exp_samples:
          - labels: >-
              ALERTS{{alertname="LlmServerDown", alertstate="firing", job="llm-server",
              instance="a", severity="critical", team="serving"}}
            value: 1
  - interval: 15s
    input_series: [{{series: 'up{{job="gpu-box"}}', values: 1x30}}]
    promql_expr_test:
      - {{expr: 'count(ALERTS{{alertstate="firing"}})', eval_time: 4m, exp_samples: []}}
      - expr: ALERTS{{alertname="LlmServerMissing", alertstate="firing"}}
        eval_time: 6m
        exp_samples:
          - labels: >-
              ALERTS{{alertname="LlmServerMissing", alertstate="firing", job="llm-server",
              severity="critical", team="serving"}}
            value: 1
"""


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
def test_a_server_that_is_away_or_has_another_name_is_told(tmp_path: Path) -> None:
    """A file of tests/rules/ speaks of alerts that are always loaded; these are not."""
    rules = written(tmp_path) / "rules" / "alerts-server-down.yaml"
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO.format(rules))
    done = subprocess.run(
        ["promtool", "test", "rules", str(scenario)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
