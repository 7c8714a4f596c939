"""A table as Grafana's: columns of their widths, whole rows, and what is out of sight said."""

from dataclasses import dataclass

from grafana.pictures import chart, geometry, inter, units
from grafana.pictures.board import Json, Panel
from grafana.pictures.canvas import DIM, LINK, TEXT, Box, Canvas, color, points
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Cell, Row

_PADDING = 6


@dataclass(frozen=True)
class Columns:
    """Every column's width, how many of them end within the panel, and which hold numbers."""

    widths: dict[str, float]
    seen: int
    numbers: set[str]


def table(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the heading and the rows that fit; a note tells what a reader has to scroll to."""
    rows, panel = answer.data.rows, answer.panel
    room = geometry.table_rows(box.h)
    columns = _columns(panel, rows, box.w - (geometry.SCROLLBAR if len(rows) > room else 0))
    head = Box(box.x, box.y, box.w, geometry.TABLE_HEAD)
    _line(canvas, head, columns, _headings(panel, columns))
    for index, row in enumerate(rows[:room]):
        y = box.y + geometry.TABLE_HEAD + geometry.TABLE_ROW * index
        line = Box(box.x, y, box.w, geometry.TABLE_ROW)
        canvas.rectangle(Box(box.x, y, box.w, 0.6), "#2a2d33")
        cells = [_cell(panel, name, row.get(name, "")) for name in columns.widths]
        _line(canvas, line, columns, cells)
    unseen = [f"{len(rows) - room} rows below"] if len(rows) > room else []
    if len(columns.widths) > columns.seen:
        unseen.append(f"{len(columns.widths) - columns.seen} columns to the right")
    if unseen:
        _note(canvas, box, "scroll: " + ", ".join(unseen))


def _columns(panel: Panel, rows: list[Row], room: float) -> Columns:
    names = list(dict.fromkeys(name for row in rows for name in row))
    widths = geometry.column_widths([panel.field(name) for name in names], room)
    ends = [sum(widths[: index + 1]) for index in range(len(widths))]
    seen = sum(end <= room + 1 for end in ends)
    numbers = {name for name in names if any(_is_number(panel, name, row) for row in rows)}
    return Columns(dict(zip(names, widths, strict=True)), seen, numbers)


def _is_number(panel: Panel, name: str, row: Row) -> bool:
    unit = str(panel.field(name).get("unit", ""))
    return isinstance(row.get(name), int | float) and not unit.startswith("dateTime")


def _headings(panel: Panel, columns: Columns) -> list[tuple[str, str]]:
    arrow = {key["displayName"] for key in panel.options.get("sortBy") or []}
    return [(f"{name} ↓" if name in arrow else name, DIM) for name in columns.widths]


def _line(canvas: Canvas, box: Box, columns: Columns, cells: list[tuple[str, str]]) -> None:
    # Grafana puts numbers, and their headings, at the right.
    x, y = box.x, box.y + box.h / 2
    for (name, width), (words, ink) in zip(columns.widths.items(), cells, strict=True):
        room = min(width, box.x + box.w - x) - geometry.CELL_EDGE
        if room <= 0:
            return
        right = name in columns.numbers
        at = x + room + _PADDING if right else x + _PADDING
        align = "right" if right else "left"
        kept = inter.cut(words, room)
        canvas.text(at, y, kept, size=points(inter.BODY), ink=ink, align=align)
        x += width


def _note(canvas: Canvas, box: Box, words: str) -> None:
    pixels = inter.width(words, inter.SMALL) + 12
    x, y = box.x + box.w, box.y + box.h - 9
    canvas.cover(Box(x - pixels, y - 9, pixels, 18))
    canvas.text(x - 6, y, words, size=points(inter.SMALL), ink=DIM, align="right")


def _cell(panel: Panel, name: str, value: Cell) -> tuple[str, str]:
    settings = panel.field(name)
    ink = LINK if settings.get("links") else TEXT
    if isinstance(value, str):
        return value, ink
    unit = str(settings.get("unit", "none"))
    if unit.startswith("dateTime"):
        # Milliseconds, as every time in a table of Grafana.
        return chart.clock(value / 1000, seconds=True), ink
    if "custom.cellOptions" in settings:
        ink = step_color(settings["thresholds"]["steps"], value)
    return units.words(value, unit), ink


def step_color(steps: list[Json], value: float) -> str:
    """The color of the last threshold that the value reaches."""
    reached = [s["color"] for s in steps if s["value"] is None or value >= s["value"]]
    return color(reached[-1] if reached else "text")
