"""Who asks for a name, each with the place in docs/ that tells of it."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.catalogue import BY_SERIES
from server.catalogue.alerts import RUNBOOKS, read
from server.catalogue.promql import selectors
from server.catalogue.uses import uses

_WHERE = re.compile(r"(alert|record|panel|line) (.+) \((\S+)\)")
"""The places of `uses()` that are told of here; others are queries of code and of examples."""
_WORDS = re.compile(r"[^\w -]")


@dataclass
class Users:
    """Who asks for one name, in the order of their files; each list without doubles."""

    recorded: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    panels: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    runbooks: list[str] = field(default_factory=list)


def anchor(heading: str) -> str:
    """The id that a heading has on GitHub and on alertlog's pages."""
    return _WORDS.sub("", heading.lower()).replace(" ", "-")


def own_name(series: str) -> str:
    """The metric that a series is a part of, or the recorded name itself."""
    return BY_SERIES[series].name if series in BY_SERIES else series


def read_names(expression: str) -> list[str]:
    """The metrics and recorded names that an expression reads, each once."""
    return list(dict.fromkeys(own_name(one.name) for one in selectors(expression)))


def users(repo: Path) -> dict[str, Users]:
    """Of each name that is asked for, who does."""
    found: dict[str, Users] = defaultdict(Users)
    for use in uses(repo):
        if match := _WHERE.fullmatch(use.where):
            for name in read_names(use.expression):
                _note(found[name], match[1], match[2], match[3], repo)
    return found


def _note(of: Users, kind: str, title: str, place: str, repo: Path) -> None:
    if kind == "panel":
        _add(of.panels[_board(repo / "grafana/dashboards/generated" / place)], title)
    elif kind == "line":
        if place.startswith("docs/runbooks/"):
            _add(of.runbooks, _alert_at(repo / place, int(title)))
    else:
        _add(of.alerts if kind == "alert" else of.recorded, title)


def _add(to: list[str], one: str) -> None:
    if one not in to:
        to.append(one)


def _board(path: Path) -> str:
    title: str = json.loads(path.read_text(encoding="utf-8"))["title"]
    return title.rpartition(": ")[2]


def _alert_at(path: Path, line: int) -> str:
    """The heading that a line of a runbook stands under: its alert."""
    above = path.read_text(encoding="utf-8").splitlines()[:line]
    headings = [one.lstrip("# ") for one in above if one.startswith("#")]
    return headings[-1] if headings else path.stem


def alert_pages(repo: Path) -> dict[str, str]:
    """Of each alert, where in docs/ its runbook stands."""
    return dict(_alert_pages(repo))


def _alert_pages(repo: Path) -> Iterator[tuple[str, str]]:
    for alert in read(repo):
        chapter, _, place = alert.annotations["runbook_url"].removeprefix(RUNBOOKS).partition("#")
        yield alert.name, f"runbooks/{chapter}.md#{place}"
