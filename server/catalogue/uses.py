"""Where a metric is used, and `make check`'s question: does each name that is used exist?

`python -m server.catalogue.uses` names every rule, alert, panel and example that asks for what
nothing exposes, and every metric of the catalogue that nothing asks for.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from server.catalogue import ALL, BY_SERIES, Metric
from server.catalogue.promql import Selector, grouped, is_nameless, selectors
from server.catalogue.rule_files import each_rule

REPO = Path(__file__).parents[2]
SCRAPED = frozenset({"job", "instance", "store", "le", "quantile"})
"""Labels that no metric declares: the scrape's, and those of a histogram's and summary's parts."""
_CALL = re.compile(
    r"[\d\s/*e]*(sum|min|max|avg|count|abs|round|rate|increase|topk|histogram_quantile)"
    r"\s*(\(|by\b)"
)
_NAMED = re.compile(r"[A-Za-z_]\w*:\w+:\w+|[A-Za-z_:][\w:]*{[^{}]*=")
"""What begins with a recorded name (two colons) or a selector; a bare name may be prose."""
_SPAN = re.compile(r"`([^`]+)`")
_VARIABLE = re.compile(r"label_values\((.+),.*\)|query_result\((.+)\)")


@dataclass(frozen=True, slots=True)
class Use:
    """One PromQL expression and where it stands."""

    where: str
    expression: str


def uses(repo: Path = REPO) -> list[Use]:
    """Every PromQL expression of the repository."""
    places = (_rules, _boards, _links, _examples, _code, _runbooks)
    return [use for place in places for use in place(repo)]


def recorded(repo: Path = REPO) -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for _, rule in each_rule(repo) if "record" in rule}


def _rules(repo: Path) -> Iterator[Use]:
    for path, rule in each_rule(repo):
        kind = "alert" if "alert" in rule else "record"
        yield Use(f"{kind} {rule[kind]} ({path.relative_to(repo)})", rule["expr"])


def _boards(repo: Path) -> Iterator[Use]:
    for path in sorted(repo.glob("grafana/dashboards/generated/*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        for place, expression in _asked(board, board["title"]):
            yield Use(f"{place} ({path.name})", expression)


def _asked(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for each in node:
            yield from _asked(each, place)
    if not isinstance(node, dict):
        return
    place = _place(node, place)
    uid = (node.get("datasource") or {}).get("uid") if "datasource" in node else None
    if uid == "prometheus":
        yield from ((place, text) for text in _texts(node))
    for child in node.values():
        yield from _asked(child, place)


def _place(node: Mapping[str, Any], place: str) -> str:
    if "gridPos" in node:
        return f"panel {node.get('title')}"
    return f"variable {node['name']}" if node.get("type") == "query" else place


def _texts(node: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(node.get("expr"), str):
        yield node["expr"]
    if match := _VARIABLE.fullmatch(str(node.get("query", ""))):
        yield match[1] or match[2]


def _links(repo: Path) -> Iterator[Use]:
    path = repo / "grafana/provisioning/datasources/datasources.yaml"
    for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]:
        for query in source["jsonData"].get("tracesToMetrics", {}).get("queries", ()):
            yield Use(f"link {query['name']} ({path.name})", query["query"])


def _examples(repo: Path) -> Iterator[Use]:
    for path in sorted(repo.glob("docs/autoscaling/*.yaml")):
        for place, query in _queries(yaml.safe_load(path.read_text(encoding="utf-8"))):
            yield Use(f"example {place} ({path.name})", query)


def _queries(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _queries(child, name)
    elif isinstance(node, list):
        for child in node:
            yield from _queries(child, key)
    elif key in ("query", "seriesQuery"):
        yield key, str(node)


def _code(repo: Path) -> Iterator[Use]:
    for path in sorted(repo.glob("stack/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(node, ast.Constant) and isinstance(text, str) and _CALL.match(text):
                yield Use(f"line {node.lineno} ({path.relative_to(repo)})", text)


def _runbooks(repo: Path) -> Iterator[Use]:
    for path in sorted(repo.glob("docs/runbooks/*.md")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for text in _SPAN.findall(line):
                if _CALL.match(text) or _NAMED.match(text):
                    yield Use(f"line {number} ({path.relative_to(repo)})", text)


def wrong(use: Use, known: Mapping[str, Metric], made_by_rules: set[str]) -> Iterator[str]:
    """What the expression asks for and will not find."""
    if is_nameless(use.expression):
        yield f"{use.where}: a selector without a name may read anybody's series"
    for selector in selectors(use.expression):
        if selector.name not in known and selector.name not in made_by_rules:
            yield f"{use.where}: nothing exposes {selector.name}"
        elif selector.name in known:
            yield from _wrong_labels(use, selector, known[selector.name])
            yield from _wrong_job(use, selector, known[selector.name])
    yield from _wrong_groups(use, known)


def _wrong_labels(use: Use, selector: Selector, metric: Metric) -> Iterator[str]:
    for label in sorted(set(selector.labels) - SCRAPED - set(metric.labels)):
        yield f"{use.where}: {selector.name} has no label {label}"


def _wrong_job(use: Use, selector: Selector, metric: Metric) -> Iterator[str]:
    job = metric.owner
    if job and selector.job != job:
        yield f'{use.where}: {selector.name} lacks job="{job}": others may use that name too'


def _wrong_groups(use: Use, known: Mapping[str, Metric]) -> Iterator[str]:
    read = [known.get(selector.name) for selector in selectors(use.expression)]
    if None in read or "label_replace(" in use.expression or "count_values(" in use.expression:
        return
    there = SCRAPED.union(*(metric.labels for metric in read if metric))
    for label in sorted(grouped(use.expression) - there):
        yield f"{use.where}: groups by {label}, which nothing in it has"


def unused(every: list[Use]) -> Iterator[str]:
    """Metrics that nothing asks for, though they do not say why."""
    asked = {selector.name for use in every for selector in selectors(use.expression)}
    for metric in ALL:
        used = not asked.isdisjoint(metric.series)
        if used == bool(metric.unused):
            fault = "is used, yet says that it is not" if used else "is used by nothing: say why"
            yield f"{metric.name} {fault} (`unused` in server/catalogue/)"


def problems(repo: Path = REPO) -> list[str]:
    """Everything that is wrong, a line each."""
    every, rules = uses(repo), recorded(repo)
    found = [line for use in every for line in wrong(use, BY_SERIES, rules)]
    return list(dict.fromkeys([*found, *unused(every)]))


def main() -> int:
    """Return 0, or 1 after naming what is wrong."""
    for line in (found := problems()):
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
