"""The autoscaling examples parse, and ask only for series that the rules record."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue.promql import selectors
from server.catalogue.uses import recorded, uses

REPO = Path(__file__).parents[3]
FOLDER = REPO / "docs/autoscaling"


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def triggers() -> list[dict[str, Any]]:
    return list(load("keda.yaml")["spec"]["triggers"])


def adapter_rules() -> list[dict[str, Any]]:
    return list(load("prometheus-adapter.yaml")["externalRules"])


def queries() -> list[str]:
    made = [
        rule["metricsQuery"]
        .replace("<<.Series>>", rule["seriesQuery"])
        .replace("<<.LabelMatchers>>", 'namespace="x"')
        for rule in adapter_rules()
    ]
    return [trigger["metadata"]["query"] for trigger in triggers()] + made


@pytest.mark.parametrize("query", queries())
def test_each_query_reads_a_recorded_signal(query: str) -> None:
    names = {selector.name for selector in selectors(query)}
    assert names
    assert names <= recorded()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
@pytest.mark.parametrize("query", queries())
def test_each_query_is_promql(query: str) -> None:
    command = ["promtool", "promql", "format", "--experimental", query]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keda_object_has_what_keda_asks_for() -> None:
    scaled = load("keda.yaml")
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"]
    for trigger in triggers():
        assert trigger["type"] == "prometheus"
        assert trigger["metadata"].keys() == {"serverAddress", "query", "threshold"}
        assert float(trigger["metadata"]["threshold"]) > 0, "a string that is a number"
        assert isinstance(trigger["metadata"]["threshold"], str)


def test_adapter_names_are_what_kubernetes_allows() -> None:
    assert len(adapter_rules()) == 4
    for rule in adapter_rules():
        assert ":" not in rule["name"]["as"], "a metric name in the API may hold no colon"
        assert "<<.Series>>{<<.LabelMatchers>>}" in rule["metricsQuery"]


def test_make_check_knows_the_examples() -> None:
    asked = {use.expression for use in uses() if use.where.startswith("example")}
    assert len(asked) == len(triggers()) + len(adapter_rules())


def test_the_page_names_every_signal() -> None:
    page = (REPO / "docs/autoscaling.md").read_text()
    rules = yaml.safe_load((REPO / "prometheus/rules/autoscaling.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        assert f"`{rule['record']}`" in page
