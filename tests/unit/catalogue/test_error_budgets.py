"""Objectives become counters and burn rates; one whose alert could never fire is refused."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from server.catalogue import burn_rates, error_budgets, slo

THRESHOLDS = {threshold.name: threshold for threshold in slo.read()}
BURNS = slo.burns()
WATCHED = ("availability", "time_to_first_token", "time_per_output_token", "request_duration")


def rules() -> list[dict[str, Any]]:
    """Every recording rule as Prometheus reads it."""
    groups = yaml.safe_load(error_budgets.rules(THRESHOLDS))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts(thresholds: dict[str, slo.Threshold]) -> list[dict[str, Any]]:
    """Every alert rule as Prometheus reads it."""
    groups = yaml.safe_load(burn_rates.alerts(thresholds, BURNS))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_budget_is_what_may_be_bad() -> None:
    """1 - objective, as the decimal that one would write; of the share of errors its limit."""
    budgets = {each.name: each.budget for each in error_budgets.objectives(THRESHOLDS)}
    assert budgets["availability"] == 0.01
    assert budgets["time_to_first_token"] == budgets["request_duration"] == 0.05


def test_each_histogram_is_read_at_its_threshold() -> None:
    """The edge is spelt as a scrape spells it, so that the selector finds it."""
    bad = [r for r in rules() if r["record"] == "instance_model_objective:slo_bad_requests:total"]
    expressions = {rule["labels"]["objective"]: rule["expr"] for rule in bad}
    for name in set(expressions) & set(THRESHOLDS):
        assert f'le="{THRESHOLDS[name].edge}"' in expressions[name]
    assert expressions.keys() - THRESHOLDS.keys() == {"availability"}


def test_an_edge_follows_the_file() -> None:
    """Another threshold is another edge in the rule, and another number in the page."""
    moved = {
        **THRESHOLDS,
        "time_to_first_token": replace(THRESHOLDS["time_to_first_token"], value=5),
    }
    assert 'time_to_first_token_seconds_bucket{job="llm-server", le="5.0"}' in error_budgets.rules(
        moved
    )
    assert "waited over 5 s for their first token" in burn_rates.alerts(moved, BURNS)


def test_page_names_each_watched_objective_and_not_cost() -> None:
    """Each rule can speak of every objective that it may fire for; cost has its own alert."""
    for rule in alerts(THRESHOLDS):
        for name in WATCHED:
            assert f'"{name}"' in rule["annotations"]["description"]
            assert f'"{name}"' in rule["annotations"]["exemplars"]
        assert "cost" not in rule["annotations"]["description"]
        assert 'objective!="cost_per_1k_output_tokens"' in rule["expr"]


def test_short_window_is_a_twelfth_of_the_long() -> None:
    """As the SRE workbook has it, but of the first, which is ours; and `twice` is twice."""
    minutes = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "12h": 720}
    minutes |= {"1d": 1440, "2d": 2880, "3d": 4320, "6d": 8640}
    for burn in BURNS:
        assert minutes[burn.twice] == 2 * minutes[burn.long]
    for burn in BURNS[1:]:
        assert minutes[burn.long] == 12 * minutes[burn.short]


def test_every_series_that_an_alert_reads_is_recorded() -> None:
    """A window that nobody records would be an alert that never fires."""
    recorded = {rule["record"] for rule in rules()}
    for burn in BURNS:
        asked = {
            f"model_objective:slo_burn:ratio{burn.long}",
            f"model_objective:slo_burn:ratio{burn.short}",
            f"model_objective:slo_requests:increase{burn.short}",
            f"model_objective:slo_requests:increase{burn.twice}",
            f"model_objective:slo_bad_requests:increase{burn.long}",
        }
        assert asked <= recorded


@pytest.mark.parametrize("objective", [0.93, 0.5, 0.0, 1.0])
def test_an_alert_that_can_never_fire_is_refused(objective: float) -> None:
    """At 0.93 all requests bad burn 14.28 times too fast; at 1 there is no budget at all."""
    slack = replace(THRESHOLDS["request_duration"], objective=objective)
    found = list(burn_rates.problems({**THRESHOLDS, "request_duration": slack}, BURNS))
    assert len(found) == 1
    assert "prometheus/slo.yaml: request_duration" in found[0]


def test_the_shipped_objectives_can_fire() -> None:
    """None is refused."""
    assert list(burn_rates.problems(THRESHOLDS, BURNS)) == []
