"""The aliases for boards of the convention: each series once, and nothing of ours reads them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import BY_SERIES, semconv_aliases
from server.catalogue.conventions import LABELS, METRICS
from server.catalogue.rule_files import each_rule
from server.catalogue.uses import Use, uses, wrong
from server.record.request import Outcome

REPO = Path(__file__).parents[3]
FILE = REPO / "prometheus/optional/genai-semconv.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"][0]["rules"]


def test_each_series_of_each_metric_of_the_convention_has_one() -> None:
    found = [rule["record"] for rule in RULES]
    expected = [f"{row.ours}{part}" for row in METRICS for part in ("_bucket", "_sum", "_count")]
    assert found == expected
    assert all(name in BY_SERIES for name in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["record"])
def test_a_rule_asks_for_ours_alone_and_renames_what_it_has(rule: dict[str, Any]) -> None:
    assert list(wrong(Use(rule["record"], rule["expr"]), BY_SERIES, set())) == []
    assert f'{rule["record"]}{{job="llm-server"}}' in rule["expr"]
    assert rule["labels"] == {"job": "genai-semconv", "gen_ai_provider_name": "vllm"}
    for label in BY_SERIES[rule["record"]].labels:
        (row,) = [row for row in LABELS if row.ours == label]
        assert f'"{row.name.replace(".", "_")}", "$1", "{label}"' in rule["expr"]


def test_the_outcome_that_is_no_error_has_no_error_type() -> None:
    assert Outcome.OK.value == semconv_aliases.FINE


def test_nobody_loads_them_unasked() -> None:
    config = yaml.safe_load((REPO / "prometheus/prometheus.yaml").read_text())
    loaded = [path for pattern in config["rule_files"] for path in FILE.parents[1].glob(pattern)]
    assert loaded
    assert FILE not in loaded


def test_nothing_of_ours_may_stand_on_them_even_where_a_copy_is_loaded(tmp_path: Path) -> None:
    for folder in ("rules", "alerts", "optional"):
        shutil.copytree(REPO / "prometheus" / folder, tmp_path / "prometheus" / folder)
    before = [(path.name, rule) for path, rule in each_rule(tmp_path)]
    shutil.copy(FILE, tmp_path / "prometheus/rules")
    assert [(path.name, rule) for path, rule in each_rule(tmp_path)] == before
    assert before
    assert not [use for use in uses(REPO) if semconv_aliases.JOB in use.expression]
