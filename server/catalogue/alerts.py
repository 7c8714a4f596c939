"""What an alert must carry to be trusted: `python -m server.catalogue.alerts`, in `make check`.

Each alert has a severity, a team, a page that reads well, a board, a heading in the runbook with
the same five leads, and scenarios in tests/rules/ in which it fires and in which it is silent.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from server.catalogue import burn_rates, scenarios, slo
from server.catalogue.rule_files import each_rule

REPO = Path(__file__).parents[2]
SEVERITIES = ("critical", "warning", "none")
TEAMS = ("serving", "observability", "cost")
ANNOTATIONS = ("summary", "description", "value", "threshold", "dashboard_url", "runbook_url")
OPTIONAL = ("exemplars",)
LEADS = ("Meaning", "Impact", "First looks", "Fixes", "False alarms seen")
RUNBOOKS = "http://127.0.0.1:9095/runbooks/"
BOARDS = "http://127.0.0.1:3000/d/"
LEAST_LOOKS = 3
_TEMPLATE = re.compile(r"{{.*?}}")
"""What a label may choose its words by."""
_ACTION = re.compile(r"{{-?(.*?)-?}}")
_CONTROL = ("if", "else", "with", "range", "end")
_FILTERS = {
    "dashboard_url": "| urlquery",
    "exemplars": '| printf "%q"',
}
"""What a label's value goes through: a model may be called `a&b`, or have a quote in its name."""
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LEAD = re.compile(r"^\*\*([^*]+):\*\*", re.MULTILINE)
_STEP = re.compile(r"^\d+\. ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule and the file where it stands."""

    file: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pages:
    """Where alerts lead: the runbooks' texts by chapter and heading, boards' variables by uid."""

    sections: Mapping[tuple[str, str], str]
    boards: Mapping[str, frozenset[str]]


def read(repo: Path = REPO) -> tuple[Alert, ...]:
    """Every alert rule of prometheus/alerts/."""
    return tuple(_read(repo))


def _read(repo: Path) -> Iterator[Alert]:
    for path, rule in each_rule(repo):
        if "alert" in rule:
            parts = rule.get("labels", {}), rule.get("annotations", {})
            yield Alert(str(path.relative_to(repo)), rule["alert"], *parts)


def pages(repo: Path = REPO) -> Pages:
    """What stands in docs/runbooks/ and grafana/dashboards/generated/."""
    return Pages(dict(_sections(repo)), dict(_boards(repo)))


def _sections(repo: Path) -> Iterator[tuple[tuple[str, str], str]]:
    for path in sorted(repo.glob("docs/runbooks/*.md")):
        _, *parts = _HEADING.split(path.read_text(encoding="utf-8"))
        for heading, text in zip(parts[::2], parts[1::2], strict=True):
            yield (path.stem, heading), text


def _boards(repo: Path) -> Iterator[tuple[str, frozenset[str]]]:
    for path in sorted(repo.glob("grafana/dashboards/generated/*.json")):
        board: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        variables = (variable["name"] for variable in board["templating"]["list"])
        yield board["uid"], frozenset(f"var-{name}" for name in variables)


def faults(alert: Alert, there: Pages) -> Iterator[str]:
    """Everything that the rule itself lacks."""
    for label, known in (("severity", SEVERITIES), ("team", TEAMS)):
        words = set(_TEMPLATE.split(alert.labels.get(label, ""))) - {""}
        if not words or words - set(known):
            yield f"label {label} must be one of {', '.join(known)}"
    has = [name for name in alert.annotations if name not in OPTIONAL]
    if has != list(ANNOTATIONS):
        yield f"annotations must be {', '.join(ANNOTATIONS)}, in this order, not {', '.join(has)}"
    else:
        yield from _wrong_board(alert.annotations["dashboard_url"], there.boards)
        yield from _wrong_runbook(alert, there.sections)
    yield from _raw_labels(alert.annotations)


def _raw_labels(annotations: Mapping[str, str]) -> Iterator[str]:
    for name, through in _FILTERS.items():
        for action in _ACTION.findall(annotations.get(name, "")):
            words = action.split()
            is_printed = "$labels" in action and words[0] not in _CONTROL
            if is_printed and not action.rstrip().endswith(through):
                yield f"{name}: {{{{{action}}}}} must end with `{through}`"


def _wrong_board(url: str, boards: Mapping[str, frozenset[str]]) -> Iterator[str]:
    split = urlsplit(url)
    uid = split.path.removeprefix("/d/")
    if not url.startswith(BOARDS) or uid not in boards:
        yield f"dashboard_url: there is no board {url}"
        return
    for name, _ in parse_qsl(split.query):
        if name.startswith("var-") and name not in boards[uid]:
            yield f"dashboard_url: the board {uid} has no variable {name.removeprefix('var-')}"


def _wrong_runbook(alert: Alert, sections: Mapping[tuple[str, str], str]) -> Iterator[str]:
    chapter, _, anchor = alert.annotations["runbook_url"].removeprefix(RUNBOOKS).partition("#")
    text = sections.get((chapter, alert.name))
    if anchor != alert.name.lower() or text is None:
        yield (
            f"runbook_url must be {RUNBOOKS}<chapter>#{alert.name.lower()}, "
            f"and docs/runbooks/<chapter>.md must have the heading `## {alert.name}`"
        )
        return
    if (leads := _LEAD.findall(text)) != list(LEADS):
        wanted = ", ".join(LEADS)
        yield f"docs/runbooks/{chapter}.md: its leads must be {wanted}, not {', '.join(leads)}"
    elif len(_STEP.findall(_looks(text))) < LEAST_LOOKS:
        yield f"docs/runbooks/{chapter}.md: First looks must be a list of {LEAST_LOOKS} or more"


def _looks(text: str) -> str:
    return text.partition("**First looks:**")[2].partition("**Fixes:**")[0]


def problems(repo: Path = REPO) -> list[str]:
    """Everything that is wrong, a line each."""
    there, alerts = pages(repo), read(repo)
    thresholds = {threshold.name: threshold for threshold in slo.read(repo)}
    found = [f"{a.file}: {a.name}: {fault}" for a in alerts for fault in faults(a, there)]
    found += burn_rates.problems(thresholds, slo.burns(repo))
    found += _strays(alerts, there)
    return list(dict.fromkeys([*found, *scenarios.missing({a.name for a in alerts}, repo)]))


def _strays(alerts: tuple[Alert, ...], there: Pages) -> Iterator[str]:
    names = {alert.name for alert in alerts}
    for chapter, heading in there.sections:
        if heading not in names:
            yield f"docs/runbooks/{chapter}.md: `## {heading}` is no alert"


def main() -> int:
    """Return 0, or 1 after naming what is wrong."""
    for line in (found := problems()):
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
