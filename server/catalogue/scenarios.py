"""Which alerts the scenarios of tests/rules/ have seen firing, and which silent.

promtool has no report of coverage: an alert that no scenario makes fire may be one that never can.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).parents[2]
_ASKED = re.compile(r'ALERTS\{[^}]*?alertname\s*=~?\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Seen:
    """One expectation of a scenario: the alert fires or is silent; `whole` compares its text."""

    alert: str
    fires: bool
    whole: bool


def seen(repo: Path = REPO) -> Iterator[Seen]:
    """Every expectation about an alert."""
    for path in sorted(repo.glob("tests/rules/*.yaml")):
        content: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for scenario in content["tests"]:
            yield from _of_rules(scenario.get("alert_rule_test", ()))
            yield from _of_queries(scenario.get("promql_expr_test", ()))


def _of_rules(expected: Iterable[Mapping[str, Any]]) -> Iterator[Seen]:
    for each in expected:
        alerts = each.get("exp_alerts") or ()
        whole = bool(alerts) and all("exp_annotations" in alert for alert in alerts)
        yield Seen(each["alertname"], bool(alerts), whole)


def _of_queries(expected: Iterable[Mapping[str, Any]]) -> Iterator[Seen]:
    for each in expected:
        for names in _ASKED.findall(each["expr"]):
            for name in names.split("|"):
                yield Seen(name, bool(each.get("exp_samples")), whole=False)


def missing(alerts: Iterable[str], repo: Path = REPO) -> Iterator[str]:
    """What no scenario shows of each alert, a line each; and scenarios about no alert."""
    every = list(seen(repo))
    known = sorted(alerts)
    for name in known:
        of_it = [each for each in every if each.alert == name]
        if not any(each.fires for each in of_it):
            yield f"tests/rules: no scenario sees {name} fire"
        if not any(not each.fires for each in of_it):
            yield f"tests/rules: no scenario sees {name} silent"
        if not any(each.whole for each in of_it):
            yield f"tests/rules: no scenario compares what the page of {name} says"
    for name in sorted({each.alert for each in every} - set(known)):
        yield f"tests/rules: there is no alert {name}"
