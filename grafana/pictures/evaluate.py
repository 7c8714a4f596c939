"""Every panel of a board, asked of the live stores: its data, or why it has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from grafana.pictures import excuses, expand, shapes
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.expand import Window
from grafana.pictures.frames import Data, Row
from grafana.pictures.stores import StoreError, Stores

TRANSFORMATIONS = {"merge", "organize"}
_SETS = re.compile(r"[?&]var-(\w+)=\$\{__value\.raw\}")


@dataclass
class Answer:
    """What one panel got: its data, the queries as sent, the seconds they took, what failed."""

    panel: Panel
    data: Data = field(default_factory=Data)
    queries: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    excused: str = ""

    @property
    def missing(self) -> bool:
        """Tell whether the panel should show something and does not."""
        return not self.excused and (bool(self.error) or self.data.empty)


@dataclass
class Page:
    """A board's answers, its marks (seconds, text, color) and the variables it was asked with."""

    board: Board
    window: Window
    values: dict[str, str]
    answers: list[Answer] = field(default_factory=list)
    marks: list[tuple[float, str, str]] = field(default_factory=list)


def page(stores: Stores, board: Board, end: float, chosen: Mapping[str, str]) -> Page:
    """Ask for everything that the board shows of the time range it opens with."""
    window = Window(end - board.seconds, end)
    asked = Page(board, window, {**expand.defaults(board), **_own(board, chosen)})
    for panel in board.panels:
        asked.answers.append(_panel(stores, panel, asked))
        _follow_first_link(asked)
    asked.marks = [mark for one in board.annotations for mark in _marks(stores, one, asked)]
    return asked


def _own(board: Board, chosen: Mapping[str, str]) -> dict[str, str]:
    names = {variable["name"] for variable in board.variables}
    return {name: value for name, value in chosen.items() if name in names}


def _panel(stores: Stores, panel: Panel, asked: Page) -> Answer:
    answer, before, tables = Answer(panel), len(stores.seconds), []
    for target in panel.targets:
        try:
            tables.append(_target(stores, panel, target, asked, answer))
        except (StoreError, KeyError) as error:
            answer.error = (
                f"undefined variable {error}" if isinstance(error, KeyError) else f"{error}"
            )
    answer.data.rows = _transformed(panel, tables)
    answer.seconds = sum(seconds for _, seconds in stores.seconds[before:])
    if answer.data.empty and not answer.error:
        answer.excused = excuses.excuse(stores, panel, asked.window)
    return answer


def _target(stores: Stores, panel: Panel, target: Json, asked: Page, answer: Answer) -> list[Row]:
    least = target.get("interval") or target.get("step")
    interval = expand.step(asked.window, panel.grid[2], least)
    values = asked.values | expand.macros(asked.window, interval, least)
    query = expand.fill(str(target.get("expr") or target.get("query") or ""), values)
    answer.queries.append(query)
    store = target["datasource"]["uid"]
    if store == "tempo":
        return _tempo(stores, target, query, asked.window, answer.data)
    ask = _prometheus if store == "prometheus" else _loki
    return ask(stores, target, query, asked.window, interval, answer.data)


def _prometheus(
    stores: Stores, target: Json, query: str, window: Window, step: float, data: Data
) -> list[Row]:
    if target.get("instant"):
        column = f"Value #{target['refId']}"
        return shapes.rows(stores.prometheus_instant(query, window), column)
    found = stores.prometheus_range(query, window, step)
    data.series += shapes.series(found, target.get("legendFormat", ""))
    if target.get("exemplar"):
        data.exemplars += shapes.exemplars(stores.exemplars(query, window), step)
    return []


def _loki(
    stores: Stores, target: Json, query: str, window: Window, step: float, data: Data
) -> list[Row]:
    if target.get("queryType") == "instant":
        return shapes.rows(stores.loki_instant(query, window), f"Value #{target['refId']}")
    found = stores.loki_range(query, window, step, int(target.get("maxLines", 100)))
    if found["resultType"] == "streams":
        data.lines += shapes.lines(found["result"])
    else:
        data.series += shapes.series(found["result"], target.get("legendFormat", ""))
    return []


def _tempo(stores: Stores, target: Json, query: str, window: Window, data: Data) -> list[Row]:
    if re.fullmatch(r"[0-9a-f]*", query):
        data.spans += shapes.tree(stores.trace(query)) if query else []
        return []
    limit, spans = int(target.get("limit", 20)), int(target.get("spss", 3))
    return shapes.found_traces(stores.tempo_search(query, window, limit, spans))


def _transformed(panel: Panel, tables: list[list[Row]]) -> list[Row]:
    steps = {step["id"]: step["options"] for step in panel.raw.get("transformations", [])}
    found = shapes.merge(tables) if "merge" in steps else [row for table in tables for row in table]
    if "organize" in steps:
        found = [shapes.organize(row, steps["organize"]) for row in found]
    for key in reversed(panel.options.get("sortBy") or []):
        found.sort(key=lambda row: row.get(key["displayName"], 0), reverse=bool(key.get("desc")))
    return found


def _follow_first_link(asked: Page) -> None:
    # A variable that only a click fills takes the first row's value: the picture shows what the
    # reader sees after clicking the worst request.
    answer = asked.answers[-1]
    for column, value in (answer.data.rows[0] if answer.data.rows else {}).items():
        for link in answer.panel.field(column).get("links", []):
            for name in _SETS.findall(link["url"]):
                if not asked.values.get(name):
                    asked.values[name] = str(value)


def _marks(stores: Stores, annotation: Json, asked: Page) -> list[tuple[float, str, str]]:
    if annotation.get("datasource", {}).get("uid") != "prometheus":
        return []
    step = expand.step(asked.window, 24, annotation.get("step"))
    query = expand.fill(annotation["expr"], asked.values | expand.macros(asked.window, step))
    color, title = annotation["iconColor"], annotation.get("titleFormat", "")
    return [
        (at, one.name, color)
        for one in shapes.series(stores.prometheus_range(query, asked.window, step), title)
        for at in _times(one.points, step, by_value=bool(annotation.get("useValueForTime")))
        if at >= asked.window.start
    ]


def _times(points: list[tuple[float, float]], step: float, *, by_value: bool) -> list[float]:
    # `useValueForTime`: the sample's value is the time in milliseconds. Else each unbroken run of
    # samples is one event, marked where it begins.
    if by_value:
        return sorted({value / 1000 for _, value in points})
    starts = [points[0][0]] if points else []
    return starts + [here for (before, _), (here, _) in pairwise(points) if here - before > step]
