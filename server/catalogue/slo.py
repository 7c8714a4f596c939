"""The thresholds of prometheus/slo.yaml; `python -m server.catalogue.slo` is part of `make check`.

A threshold on a histogram must be one of its edges, and the alert that watches it must carry the
same number: Prometheus has no variables.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.utils import floatToGoString

from server.catalogue import BY_SERIES, Kind, Metric
from server.catalogue.promql import selectors
from server.catalogue.rule_files import each_rule

REPO = Path(__file__).parents[2]
_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold in `unit`; `objective` is the share that should be good, where there is one."""

    name: str
    metric: str
    value: float
    unit: str
    good: str
    alert: str
    objective: float | None = None

    @property
    def edge(self) -> str:
        """The value as Prometheus spells a scraped `le`."""
        return str(floatToGoString(self.value))


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows, and the burn rate at which both fire."""

    long: str
    short: str
    factor: float
    severity: str

    @property
    def twice(self) -> str:
        """A window of twice the length of the long one."""
        return f"{2 * int(self.long[:-1])}{self.long[-1]}"


def _file(repo: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(
        (repo / "prometheus/slo.yaml").read_text(encoding="utf-8")
    )
    return content


def read(repo: Path = REPO) -> tuple[Threshold, ...]:
    """Every threshold of the file."""
    entries: Mapping[str, Mapping[str, Any]] = _file(repo)["thresholds"]
    return tuple(Threshold(name, **entry) for name, entry in entries.items())


def burns(repo: Path = REPO) -> tuple[Burn, ...]:
    """The pairs of windows, the fastest first."""
    return tuple(Burn(**entry) for entry in _file(repo)["burn_rates"])


def alerts(repo: Path = REPO) -> dict[str, str]:
    """What each alert asks by its name, with what the recorded series in it ask."""
    recorded, asked = _by_name(repo, "record"), _by_name(repo, "alert")
    return {name: "\n".join([text, *_behind(text, recorded)]) for name, text in asked.items()}


def _by_name(repo: Path, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for _, rule in each_rule(repo):
        if name := rule.get(kind):
            found[name] = f"{found[name]}\n{rule['expr']}" if name in found else rule["expr"]
    return found


def _behind(expression: str, recorded: Mapping[str, str]) -> Iterator[str]:
    open_names, seen = {selector.name for selector in selectors(expression)}, set[str]()
    while open_names := (open_names & recorded.keys()) - seen:
        seen |= open_names
        asked = [recorded[name] for name in sorted(open_names)]
        yield from asked
        open_names = {selector.name for text in asked for selector in selectors(text)}


def _metric(name: str) -> Metric | None:
    return BY_SERIES.get(name) or BY_SERIES.get(f"{name}_count")


def problems(thresholds: tuple[Threshold, ...], expressions: Mapping[str, str]) -> list[str]:
    """Everything that is wrong, a line each."""
    return [
        f"prometheus/slo.yaml: {threshold.name}: {fault}"
        for threshold in thresholds
        for fault in _faults(threshold, expressions)
    ]


def _faults(threshold: Threshold, expressions: Mapping[str, str]) -> Iterator[str]:
    metric = _metric(threshold.metric)
    if metric is None:
        yield f"{threshold.metric} is not in the catalogue"
    elif metric.kind is Kind.HISTOGRAM and threshold.value not in metric.buckets:
        yield f"{threshold.value:g} is no edge of {metric.name}: choose one of {metric.buckets}"
    if threshold.good not in ("below", "above"):
        yield "`good` must be below or above"
    if threshold.alert and threshold.alert not in expressions:
        yield f"there is no alert {threshold.alert} in prometheus/alerts/"
    elif threshold.alert and not _carries(expressions[threshold.alert], threshold):
        yield f"{threshold.alert} does not carry {threshold.value:g}"


def _carries(expression: str, threshold: Threshold) -> bool:
    numbers = {float(number) for number in _NUMBER.findall(expression)}
    return f'le="{threshold.edge}"' in expression or threshold.value in numbers


def main() -> int:
    """Return 0, or 1 after naming what is wrong."""
    for line in (found := problems(read(), alerts())):
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
