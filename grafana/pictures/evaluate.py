"""Every panel of a board, asked of the live stores: its data, or why it has none."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from grafana.pictures import excuses, expand, layout, questions, shapes, values
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.frames import Data, Mark, Row
from grafana.pictures.stores import Stores
from stack.stores.protocol import StoreError, Window

TRANSFORMATIONS = {"merge", "organize"}
IN_THE_STORE = {"extractFields", "convertFieldType", "sortBy", "limit"}
"""What Grafana does to the lines of a question, whose answer has typed fields in their order."""
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
    """A board's answers, its marks and the variables it was asked with.

    `opened`: its closed rows are opened, and what they hold is asked for.
    """

    board: Board
    window: Window
    values: dict[str, str]
    answers: list[Answer] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    opened: bool = False


def page(
    stores: Stores,
    board: Board,
    end: float,
    chosen: Mapping[str, str],
    seconds: float | None = None,
    *,
    opened: bool = False,
) -> Page:
    """Ask for everything that the board shows of its last `seconds`, by default as it opens.

    `end` is in Unix seconds, `chosen` are values of variables; raises StoreError when Prometheus
    does not tell the variables or the marks.
    """
    window = Window(end - (board.seconds if seconds is None else seconds), end)
    asked = Page(board, window, values.of_board(stores, board, window, chosen), opened=opened)
    standing = [place.panel for place in layout.places(board, opened=opened)]
    for panel in (one for one in standing if one.kind != "row"):
        asked.answers.append(_panel(stores, panel, asked))
        _follow_first_link(asked)
    asked.marks = [mark for one in board.annotations for mark in _marks(stores, one, asked)]
    return asked


def _panel(stores: Stores, panel: Panel, asked: Page) -> Answer:
    answer, before, tables = Answer(panel, Data(words=panel.words)), len(stores.seconds), []
    for target in panel.targets:
        try:
            tables.append(_target(stores, panel, target, asked, answer))
        except (StoreError, KeyError) as error:
            answer.error = (
                f"undefined variable {error}" if isinstance(error, KeyError) else f"{error}"
            )
    answer.data.rows = _transformed(panel, [*tables, answer.data.rows])
    answer.seconds = sum(seconds for _, seconds in stores.seconds[before:])
    if answer.data.empty and not answer.error:
        answer.excused = excuses.excuse(stores, panel, asked.window)
    return answer


def _target(stores: Stores, panel: Panel, target: Json, asked: Page, answer: Answer) -> list[Row]:
    least = target.get("interval") or target.get("step")
    interval = expand.step(asked.window, panel.grid[2], least)
    if target["datasource"]["uid"] != "prometheus":
        _question(stores, target, asked, interval, answer)
        return []
    known = asked.values | expand.macros(asked.window, interval, least)
    query = expand.fill(target["expr"], known)
    answer.queries.append(query)
    if target.get("instant") and target.get("format") != "table":
        found = stores.prometheus_instant(query, asked.window)
        answer.data.series += shapes.numbers(found, target["legendFormat"])
        return []
    if target.get("instant"):
        # As Grafana names the field of numbers: by its query only where there are several.
        alone = len(panel.targets) == 1
        column = "Value" if alone else f"Value #{target['refId']}"
        return shapes.rows(stores.prometheus_instant(query, asked.window), column)
    step = interval * target.get("intervalFactor", 1)
    return _series(stores, target, query, asked.window, step, answer.data)


def _question(stores: Stores, target: Json, asked: Page, step: float, answer: Answer) -> None:
    name, most = target["refId"], int(target.get("maxLines") or target.get("limit") or 0)
    put = questions.Asked(asked.values, asked.window, most, step)
    answer.queries.append(questions.words(name, put))
    with stores.timed(answer.queries[-1]):
        questions.QUESTIONS[name].put(stores, put, answer.data)


def _series(
    stores: Stores, target: Json, query: str, window: Window, step: float, data: Data
) -> list[Row]:
    found = stores.prometheus_range(query, window, step)
    data.series += shapes.series(found, target.get("legendFormat", ""), target["refId"])
    if target.get("exemplar"):
        data.exemplars += shapes.exemplars(stores.exemplars(query, window), step)
    return []


def _transformed(panel: Panel, tables: list[list[Row]]) -> list[Row]:
    steps = {step["id"]: step["options"] for step in panel.raw.get("transformations", [])}
    found = shapes.merge(tables) if "merge" in steps else [row for table in tables for row in table]
    if "organize" in steps:
        found = shapes.organize(found, steps["organize"])
    for key in reversed(panel.options.get("sortBy") or []):
        found.sort(key=partial(_number, key["displayName"]), reverse=bool(key.get("desc")))
    return found


def _number(column: str, row: Row) -> float:
    value = row.get(column, "")
    return value if isinstance(value, int | float) else -math.inf


def _follow_first_link(asked: Page) -> None:
    # A variable that only a click fills takes the first row's value: the picture shows what the
    # reader sees after clicking the worst request.
    answer = asked.answers[-1]
    for column, value in (answer.data.rows[0] if answer.data.rows else {}).items():
        for link in answer.panel.field(column).get("links", []):
            for name in _SETS.findall(link["url"]):
                if not asked.values.get(name):
                    asked.values[name] = str(value)


def _marks(stores: Stores, annotation: Json, asked: Page) -> list[Mark]:
    if annotation.get("datasource", {}).get("uid") != "prometheus":
        return []
    step = expand.step(asked.window, 24, annotation.get("step"))
    query = expand.fill(annotation["expr"], asked.values | expand.macros(asked.window, step))
    color, title = annotation["iconColor"], annotation.get("titleFormat", "")
    return [
        Mark(max(start, asked.window.start), end, one.name, color)
        for one in shapes.series(stores.prometheus_range(query, asked.window, step), title)
        for start, end in _spells(
            one.points, step, by_value=bool(annotation.get("useValueForTime"))
        )
        if end >= asked.window.start
    ]


def _spells(
    points: list[tuple[float, float]], step: float, *, by_value: bool
) -> list[tuple[float, float]]:
    # `useValueForTime`: the sample's value is the time in milliseconds. Else each unbroken run of
    # samples is one event, which lasts as long.
    if by_value:
        return [(at, at) for at in sorted({value / 1000 for _, value in points})]
    spells: list[tuple[float, float]] = []
    for at, _ in points:
        joined = bool(spells) and at - spells[-1][1] <= step
        start = spells.pop()[0] if joined else at
        spells.append((start, at))
    return spells
