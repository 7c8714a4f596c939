"""The gate of alerts: each lacks nothing, and every kind of lack is named."""

from pathlib import Path

import pytest

from server.catalogue import alerts, scenarios
from server.catalogue.alerts import Alert, Pages

SECTION = """
**Meaning:** it is so.

**Impact:** much.

**First looks:**

1. One.
2. Two.
3. Three.

**Fixes:** do.

**False alarms seen:** none yet.
"""
PAGES = Pages({("use", "Broken"): SECTION}, {"llm-use": frozenset({"var-model"})})
BOARD = "http://127.0.0.1:3000/d/llm-use?var-model="
GOOD = Alert(
    "prometheus/alerts/use.yaml",
    "Broken",
    {"severity": "critical", "team": "serving"},
    {
        "summary": "s",
        "description": "d",
        "value": "1",
        "threshold": "0",
        "dashboard_url": "http://127.0.0.1:3000/d/llm-use?var-model={{ $labels.model | urlquery }}",
        "runbook_url": "http://127.0.0.1:9095/runbooks/use#broken",
    },
)


def test_the_shipped_alerts_lack_nothing() -> None:
    """What `make check` asks."""
    assert alerts.problems() == []


def test_a_whole_alert_passes() -> None:
    """With and without exemplars."""
    quoted = '{{ if eq $labels.a "b" }}x_bucket{model={{ $labels.model | printf "%q" }}}{{ end }}'
    with_exemplars = {**GOOD.annotations, "exemplars": quoted}
    assert list(alerts.faults(GOOD, PAGES)) == []
    assert (
        list(alerts.faults(Alert(GOOD.file, GOOD.name, GOOD.labels, with_exemplars), PAGES)) == []
    )


@pytest.mark.parametrize(
    ("labels", "annotations", "named"),
    [
        ({"severity": "page"}, {}, "label severity"),
        ({"team": "nobody"}, {}, "label team"),
        ({"team": "{{ if true }}serving{{ else }}nobody{{ end }}"}, {}, "label team"),
        ({"team": ""}, {}, "label team"),
        ({}, {"value": None}, "annotations must be"),
        ({}, {"dashboard_url": "http://127.0.0.1:3000/d/gone"}, "no board"),
        ({}, {"dashboard_url": "https://example.org/d/llm-use"}, "no board"),
        ({}, {"dashboard_url": "http://127.0.0.1:3000/d/llm-use?var-gpu=1"}, "no variable gpu"),
        ({}, {"dashboard_url": BOARD + "{{ $labels.model }}"}, "urlquery"),
        ({}, {"dashboard_url": BOARD + "{{$labels.model}}"}, "urlquery"),
        ({}, {"dashboard_url": BOARD + '{{ $labels.model | printf "%q" }}'}, "urlquery"),
        ({}, {"dashboard_url": BOARD + "{{ $labels.model | urlquery | toUpper }}"}, "urlquery"),
        ({}, {"exemplars": 'x{model="{{ $labels.model }}"}'}, 'printf "%q"'),
        ({}, {"exemplars": "x{model={{- $labels.model | urlquery -}}}"}, 'printf "%q"'),
        ({}, {"runbook_url": "http://127.0.0.1:9095/runbooks/use#other"}, "runbook_url must be"),
        ({}, {"runbook_url": "http://127.0.0.1:9095/runbooks/red#broken"}, "runbook_url must be"),
    ],
)
def test_each_lack_is_named(
    labels: dict[str, str], annotations: dict[str, str | None], named: str
) -> None:
    """One lack, one line."""
    noted = {**GOOD.annotations, **annotations}
    kept = {name: text for name, text in noted.items() if text is not None}
    found = list(alerts.faults(Alert(GOOD.file, GOOD.name, {**GOOD.labels, **labels}, kept), PAGES))
    assert len(found) == 1
    assert named in found[0]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("**Impact:** much.", "", "its leads must be"),
        ("3. Three.", "", "a list of 3 or more"),
    ],
)
def test_a_thin_runbook_is_named(old: str, new: str, named: str) -> None:
    """The five leads, and three first looks."""
    thin = Pages({("use", "Broken"): SECTION.replace(old, new)}, PAGES.boards)
    (found,) = alerts.faults(GOOD, thin)
    assert named in found


def scenario_file(folder: Path, text: str) -> Path:
    """A checkout that holds nothing but these scenarios."""
    (folder / "tests/rules").mkdir(parents=True)
    (folder / "tests/rules/alerts.yaml").write_text(text, encoding="utf-8")
    return folder


def test_an_alert_without_scenarios_is_named(tmp_path: Path) -> None:
    """Fires, silent, and the page's text: three things to be seen."""
    empty = scenario_file(tmp_path, "tests: []")
    assert len(list(scenarios.missing({"Broken"}, empty))) == 3


def test_scenarios_are_found_in_both_kinds_of_test(tmp_path: Path) -> None:
    """In alert_rule_test, and as ALERTS in promql_expr_test, by = and by =~."""
    folder = scenario_file(
        tmp_path,
        """
tests:
  - alert_rule_test:
      - {alertname: One, exp_alerts: [{exp_labels: {}, exp_annotations: {summary: s}}]}
      - {alertname: Two, exp_alerts: [{exp_labels: {}, exp_annotations: {summary: s}}]}
    promql_expr_test:
      - {expr: 'count(ALERTS{alertstate="firing", alertname=~"One|Two"})', exp_samples: []}
""",
    )
    assert list(scenarios.missing({"One", "Two"}, folder)) == []
    assert list(scenarios.missing({"One"}, folder)) == ["tests/rules: there is no alert Two"]
