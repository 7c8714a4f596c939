"""Recording rules and alerts of the day, as Prometheus would have evaluated them in time.

promtool records rules into blocks, which Prometheus finds a minute later, and no alerts: here each
rule is a range query, and what it answers is pushed.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from grafana.pictures.expand import duration
from stack.errors import Fault
from stack.http import Unanswered, ask
from stack.request.signals import PROMETHEUS
from tests.bench.day_series import Labels
from tests.bench.scene.push import Pusher
from tests.bench.scene.story import Span

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
Points = Sequence[tuple[float, float]]
"""Unix seconds and values, by time."""


@dataclass(frozen=True)
class Steps:
    """When rules are evaluated: each `seconds` of the span."""

    span: Span
    seconds: float


def query(expression: str, steps: Steps) -> Iterator[tuple[Labels, Points]]:
    """What a range query answers: each series' labels, without its name, and its points."""
    asked = {"query": expression, "start": steps.span.start, "end": steps.span.end}
    url = f"{PROMETHEUS}/api/v1/query_range?{urlencode({**asked, 'step': steps.seconds})}"
    try:
        found = json.loads(ask(url))["data"]["result"]
    except Unanswered as error:
        raise Fault(f"Prometheus does not evaluate {expression[:60]}: {error}") from error
    for series in found:
        labels = {key: value for key, value in series["metric"].items() if key != "__name__"}
        points = [(float(at), float(value)) for at, value in series["values"]]
        yield tuple(sorted(labels.items())), points


def record(turn: Iterable[Mapping[str, Any]], every: Iterable[Steps], pusher: Pusher) -> None:
    """Push the series of rules that read nothing of each other."""
    steps = tuple(every)
    for rule in turn:
        for each in steps:
            for labels, points in query(rule["expr"], each):
                named = tuple(sorted({**dict(labels), **rule.get("labels", {})}.items()))
                for at, value in points:
                    pusher.add(rule["record"], named, value, at)
                pusher.send(all_of_it=False)
    pusher.send()


def alerts(repo: Path) -> list[dict[str, Any]]:
    """Every alert of prometheus/alerts/."""
    files = sorted(repo.glob("prometheus/alerts/*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def spells(
    points: Points, steps: Steps, wait: float, keep: float
) -> Iterator[tuple[float, float, bool]]:
    """An alert's course: (moment, since when it has been active, whether it fires).

    `wait` is its `for`, `keep` its `keep_firing_for`, both in seconds.
    """
    there = {round(at) for at, _ in points}
    since, last, fires = math.nan, -math.inf, False
    count = int(steps.span.seconds / steps.seconds)
    for at in (steps.span.start + number * steps.seconds for number in range(count + 1)):
        if round(at) in there:
            since, last = at if math.isnan(since) else since, at
        elif not (fires and at - last < keep):
            since, fires = math.nan, False
        if not math.isnan(since):
            fires = fires or at - since >= wait
            yield at, since, fires


def push_alerts(rules: Iterable[Mapping[str, Any]], steps: Steps, pusher: Pusher) -> list[str]:
    """Push ALERTS and ALERTS_FOR_STATE; returns the names of those that fired."""
    fired: dict[str, None] = {}
    for rule in rules:
        wait, keep = (seconds(str(rule.get(key, "0s"))) for key in ("for", "keep_firing_for"))
        for labels, points in query(rule["expr"], steps):
            named = alert_labels(rule, labels)
            for at, since, fires in spells(points, steps, wait, keep):
                state = ("alertstate", "firing" if fires else "pending")
                pusher.add("ALERTS", (*named, state), 1.0, at)
                pusher.add("ALERTS_FOR_STATE", named, since, at)
                if fires:
                    fired[rule["alert"]] = None
    pusher.send()
    return list(fired)


def seconds(text: str) -> float:
    """Seconds of Prometheus's durations, as `90s` and `1h30m`."""
    days = {"d": 86_400.0}
    parts = re.findall(r"(\d+)([smhd])", text)
    return sum(
        float(number) * days[unit] if unit in days else duration(number + unit)
        for number, unit in parts
    )


def alert_labels(rule: Mapping[str, Any], labels: Labels) -> Labels:
    """The labels that an alert has: of what it read, and its own, whose templates are filled."""
    known = dict(labels)
    own = {
        key: _LABEL.sub(lambda found: known.get(found[1], ""), value)
        for key, value in rule.get("labels", {}).items()
    }
    return tuple(sorted({**known, **own, "alertname": rule["alert"]}.items()))
