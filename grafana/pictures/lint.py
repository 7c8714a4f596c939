"""What Grafana would refuse or show empty, found in the JSON alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import yaml

from grafana.pictures import expand, explains, layout, lint_layout, lint_sense, units, values
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.evaluate import IN_THE_STORE, TRANSFORMATIONS
from grafana.pictures.geometry import Grid
from grafana.pictures.questions import QUESTIONS
from grafana.pictures.shown import DRAWN
from stack.stores.protocol import Window

SOURCES = Path(__file__).parents[1] / "provisioning/datasources/datasources.yaml"
MOST_PANELS = 14
"""What a board shows when it opens; a collapsed row shows nothing then, and no more by a click."""
ON_TIME_RANGE, HIDDEN = 2, 2
"""Grafana's numbers for a variable asked for again at each new time range, and for a hidden one."""
Known: TypeAlias = Mapping[str, set[str]]
"""The variables of every board, by its uid."""
_BUILT_IN = {*expand.macros(Window(0, 1), 1), "__url_time_range", "__value", "__data"}
_DATES = {"dateTimeAsIsoNoDateIfToday"}


def faults(boards: Sequence[Board]) -> list[str]:
    """Return one line per fault, naming board and panel; an empty list when all is sound."""
    known = {board.uid: _defined(board) for board in boards}
    found = [f"{board.uid}: {fault}" for board in boards for fault in _board(board, known)]
    if len(known) < len(boards):
        found.append("two boards have the same uid: give each its own")
    return found


@cache
def sources() -> dict[str, str]:
    """The uid and type of each provisioned data source."""
    entries = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["datasources"]
    return {entry["uid"]: entry["type"] for entry in entries}


def _defined(board: Board) -> set[str]:
    return {variable["name"] for variable in board.variables}


def _board(board: Board, known: Known) -> Iterator[str]:
    defined = _defined(board)
    yield from _sizes(board)
    yield from _layout(board)
    yield from _variables(board, defined)
    for link in board.raw.get("links", []):
        yield from _link(link["url"], defined, known)
        kept = link.get("keepTime") and link.get("includeVars")
        if link["url"].startswith("/d/") and not kept:
            yield f"link {link['title']} loses the time or the variables"
    for panel in board.panels:
        for fault in _panel(panel, defined, known):
            yield f"{panel.title}: {fault}"
    yield from lint_layout.faults(board)
    yield from lint_sense.faults(board)


def _sizes(board: Board) -> Iterator[str]:
    shown = sum(raw["type"] != "row" for raw in board.raw["panels"])
    if shown > MOST_PANELS:
        yield f"{shown} panels, {MOST_PANELS} at most: split the board"
    for row in board.rows:
        inside = row.raw.get("panels") or []
        if len(inside) > MOST_PANELS:
            yield f"row {row.title}: {len(inside)} panels, {MOST_PANELS} at most: split the row"
        if bool(inside) != bool(row.raw.get("collapsed")):
            # Grafana drops the panels of an open row, and shows nothing of a row without any.
            yield f"row {row.title}: a collapsed row holds its panels, and an open one holds none"


def _layout(board: Board) -> Iterator[str]:
    opened = layout.places(board, opened=True)
    ids = [place.panel.raw.get("id") for place in opened]
    yield from (f"panel id {one} is used twice" for one in set(ids) if ids.count(one) > 1)
    for place in opened:
        if place.grid.x + place.grid.w > 24 or place.grid.w < 1 or place.grid.h < 1:
            yield f"{place.panel.title}: outside the grid of 24 columns"
    # A board has both shapes, with its rows closed and with them open; each must be sound.
    over = [pair for one in (layout.places(board), opened) for pair in combinations(one, 2)]
    found = [
        f"{one.panel.title} lies over {other.panel.title}"
        for one, other in over
        if _overlap(one.grid, other.grid)
    ]
    yield from dict.fromkeys(found)


def _overlap(one: Grid, other: Grid) -> bool:
    across = one.x < other.x + other.w and other.x < one.x + one.w
    return across and one.y < other.y + other.h and other.y < one.y + one.h


def _variables(board: Board, defined: set[str]) -> Iterator[str]:
    texts = [_query(target) for panel in board.panels for target in panel.targets]
    texts += [str(one.get("expr", "")) for one in board.annotations]
    texts += [row.title for row in board.rows]
    texts += [str(variable.get("query", "")) for variable in board.variables]
    used = set().union(*(expand.names(text) for text in texts))
    yield from (f"variable ${name} is nowhere defined" for name in used - defined - _BUILT_IN)
    for variable in board.variables:
        if variable.get("hide") != HIDDEN and variable["name"] not in used:
            yield f"variable {variable['name']} is shown and changes nothing: hide it"
        yield from _source(variable.get("datasource"), f"variable {variable['name']}")
        if values.told(variable):
            yield from _told(variable)


def _told(variable: Json) -> Iterator[str]:
    # Grafana gives the whole sample to the expression, and asks again only when it is told to.
    hidden, unlinked = variable.get("hide") == HIDDEN, bool(variable.get("skipUrlSync"))
    if str(variable.get("regex", "")).count("(") != 1 or variable.get("refresh") != ON_TIME_RANGE:
        yield f"variable {variable['name']} takes no label, or does not follow the time range"
    if hidden != unlinked:
        yield f"variable {variable['name']} must be hidden and stay out of links, or be a choice"


def _query(target: Json) -> str:
    return str(target.get("expr") or target.get("query") or "")


def _source(named: Json | None, where: str) -> Iterator[str]:
    if named is not None and sources().get(named.get("uid", "")) != named.get("type"):
        yield f"{where}: no provisioned data source {named}"


def _panel(panel: Panel, defined: set[str], known: Known) -> Iterator[str]:
    yield from _says(panel)
    if panel.words:
        return
    if panel.kind not in DRAWN:
        yield f"panel type {panel.kind} is not one that we draw"
    if not panel.targets:
        yield "no query"
    yield from _units(panel)
    for target in panel.targets:
        yield from _source(target.get("datasource"), f"query {target['refId']}")
        yield from _target(target)
    yield from _names(panel)
    yield from explains.faults(panel)
    for step in panel.raw.get("transformations", []):
        if step["id"] not in TRANSFORMATIONS | (IN_THE_STORE if _is_asked(panel) else set()):
            yield f"transformation {step['id']} is not one that we evaluate"
    for url in panel.links():
        yield from _link(url, defined, known)


def _is_asked(panel: Panel) -> bool:
    """Whether the panel asks logs or traces."""
    return any(_is_question(target) for target in panel.targets)


def _is_question(target: Json) -> bool:
    return target["datasource"]["uid"] in ("loki", "tempo")


def _names(panel: Panel) -> Iterator[str]:
    names = [target["refId"] for target in panel.targets]
    yield from (f"two queries are called {name}" for name in set(names) if names.count(name) > 1)
    for target in panel.targets:
        if _is_question(target) and (name := target["refId"]) not in QUESTIONS:
            yield f"query {name} is no question of grafana/pictures/questions.py: name it as one"


def _says(panel: Panel) -> Iterator[str]:
    text = str(panel.raw.get("description", ""))
    if not text.endswith(".") or len(re.findall(r"\.(\s|$)", text)) != 1:
        yield "its description must be one sentence that ends in what to do"


def _units(panel: Panel) -> Iterator[str]:
    used = [panel.defaults.get("unit")]
    overrides = panel.raw.get("fieldConfig", {}).get("overrides", [])
    used += [e["value"] for o in overrides for e in o["properties"] if e["id"] == "unit"]
    for unit in used:
        if not unit or not (units.known(unit) or unit in _DATES):
            yield f"unit {unit} is not known"


def _target(target: Json) -> Iterator[str]:
    query = _query(target)
    if "vector(0)" in query:
        yield "`or vector(0)` hides a missing series: create its label sets at the start"
    if target.get("exemplar") and not re.search(r"_bucket\{", query):
        yield "exemplars stand on raw _bucket series only"
    plain = target["datasource"]["uid"] == "prometheus" and not target.get("instant")
    if plain and not target.get("legendFormat"):
        yield f"query {target['refId']} has no legend"
    if query.count("(") != query.count(")") or query.count("{") != query.count("}"):
        yield f"query {target['refId']} has an open bracket"


def _link(url: str, defined: set[str], known: Known) -> Iterator[str]:
    # What a link takes is a variable of its own board, what it sets one of the board it leads to.
    match = re.match(r"/d/([\w-]+)", url)
    target = known.get(match[1]) if match else defined
    if target is None:
        yield f"link {url} leads to no board"
        return
    wrong = expand.names(url) - defined - _BUILT_IN
    wrong |= set(re.findall(r"[?&]var-(\w+)=", url)) - target
    yield from (f"link names ${name}" for name in sorted(wrong))
