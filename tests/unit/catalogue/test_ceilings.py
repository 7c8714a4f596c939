"""The alert QuantileIsACeiling: what the page of each histogram says and leads to."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import MADE
from server.catalogue.ceilings import alerts

REPO = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = yaml.safe_load(alerts())["groups"][0]["rules"]
OURS = {metric.name for metric in MADE}


def name(rule: dict[str, Any]) -> str:
    return str(rule["labels"]["metric"])


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_the_exemplars_are_those_above_the_last_edge_where_there_are_any(
    rule: dict[str, Any],
) -> None:
    selector = rule["annotations"].get("exemplars", "")
    assert bool(selector) == (name(rule) in OURS)
    if selector:
        assert selector.startswith(f'{name(rule)}_bucket{{job="llm-server", ')
        assert selector.endswith(', le="+Inf"}')


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_costs_go_to_the_cost_team(rule: dict[str, Any]) -> None:
    assert (rule["labels"]["team"] == "cost") == ("microdollars" in name(rule))


def test_the_board_shows_what_the_alert_is_about() -> None:
    boards = {name(rule): rule["annotations"]["dashboard_url"] for rule in RULES}
    of = "http://127.0.0.1:3000/d/"
    assert (
        boards["llm_request_phase_seconds"]
        == of + "llm-red?var-model={{ $labels.model | urlquery }}"
    )
    watched = boards["llm_watched_tenant_cost_microdollars"]
    assert watched == of + "llm-bill?var-tenant={{ $labels.tenant | urlquery }}"
    itl = boards["vllm:inter_token_latency_seconds"]
    assert itl == of + "llm-red?var-model={{ $labels.model_name | urlquery }}"


def test_the_scenarios_hold_every_histogram() -> None:
    tests = yaml.safe_load((REPO / "tests/rules/alerts_red.yaml").read_text())["tests"]
    for test in tests[:2]:
        fed = {series["series"].partition("_bucket{")[0] for series in test["input_series"]}
        assert fed >= {name(rule) for rule in RULES}, test["name"]
