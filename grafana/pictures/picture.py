"""One board as a PNG: its panels where Grafana puts them."""

import textwrap
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageColor

from grafana.pictures import chart, expand, geometry, inter, layout
from grafana.pictures.board import Panel
from grafana.pictures.canvas import (
    COLORS,
    DIM,
    EDGE,
    PALETTE,
    PANEL,
    SURFACES,
    TEXT,
    Box,
    Canvas,
    fit,
    points,
)
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.geometry import Grid
from grafana.pictures.shown import DRAWN

WIDTH, HEAD = geometry.NARROW, 64
_LEFT = geometry.PAGE_PADDING + 4
_BOLD = 0.9
"""DejaVu Sans Bold is so much wider than Inter Medium."""


def save(page: Page, path: Path, width: int = WIDTH) -> None:
    """Draw a page and write it as a PNG of 256 colors, a third of the size."""
    raw = BytesIO()
    draw(page, width).figure.savefig(raw, format="png")
    image = Image.open(raw).convert("RGB")
    image.quantize(palette=_palette(image), dither=Image.Dither.NONE).save(path, optimize=True)


def _palette(image: Image.Image) -> Image.Image:
    # The commonest colors alone would lose a legend's small field, so every ink has its place.
    inks = [ImageColor.getrgb(ink)[:3] for ink in (*COLORS.values(), *PALETTE, *SURFACES)]
    common = image.quantize(256 - len(inks)).getpalette() or []
    made = Image.new("P", (1, 1))
    made.putpalette([*(part for ink in inks for part in ink), *common][:768])
    return made


def draw(page: Page, width: int = WIDTH) -> Canvas:
    """Draw the heading, the rows' titles and every panel, as in a window of `width` pixels."""
    places = layout.places(page.board, opened=page.opened)
    answers = iter(page.answers)
    bottom = max(place.grid.top + place.grid.height for place in places)
    canvas = Canvas(width, HEAD + bottom + geometry.PAGE_PADDING)
    _heading(canvas, page)
    for place in places:
        box = _box(place.grid, width)
        if place.panel.kind == "row":
            _row(canvas, box, place.panel, page)
        else:
            _panel(canvas, box, next(answers), page)
    return canvas


def _row(canvas: Canvas, box: Box, row: Panel, page: Page) -> None:
    title, y = expand.fill(row.title, page.values), box.y + box.h / 2
    canvas.text(box.x + 4, y, title, size=11, weight="bold")
    if row.held:
        x = box.x + 12 + inter.width(title, 16.5) * 1.12
        words = "opens with a click" if page.opened else f"({len(row.held)} panels)"
        canvas.text(x, y, words, size=points(inter.SMALL), ink=DIM)


def _box(grid: Grid, width: int) -> Box:
    return Box(grid.left(width), HEAD + grid.top, grid.width(width), grid.height)


def _heading(canvas: Canvas, page: Page) -> None:
    canvas.text(_LEFT, 22, page.board.title, size=15, weight="bold")
    canvas.text(_LEFT, 48, str(page.board.raw.get("description", "")), size=9, ink=DIM)
    chosen = [_chosen(page, variable) for variable in page.board.variables if not _hidden(variable)]
    start, end = (chart.clock(at) for at in (page.window.start, page.window.end))
    words = "   ".join([*chosen, f"{start} to {end} UTC"])
    canvas.text(canvas.width - _LEFT, 22, words, size=9, align="right")
    marks = sorted({mark.words for mark in page.marks})
    canvas.text(
        canvas.width - _LEFT,
        48,
        fit("marked: " + ", ".join(marks), 700) if marks else "",
        size=8,
        ink=DIM,
        align="right",
    )


def _hidden(variable: dict[str, object]) -> bool:
    return variable.get("hide") == 2


def _chosen(page: Page, variable: dict[str, object]) -> str:
    value = page.values[str(variable["name"])]
    return f"{variable['label']}: {'All' if value == '.*' else fit(value, 120)}"


def _panel(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    canvas.rectangle(box, PANEL, EDGE)
    marks = bool(answer.panel.raw.get("description")) + bool(answer.panel.raw.get("links"))
    edge = geometry.PADDING + geometry.BORDER
    title = inter.cut(answer.panel.title, box.w - 2 * edge - marks * geometry.INFO)
    middle = box.y + geometry.BORDER + geometry.HEADING / 2
    canvas.text(box.x + edge, middle, title, size=points(inter.BODY) * _BOLD, weight="bold")
    inner = box.inside(edge, geometry.HEADING + edge, edge, edge)
    if answer.error or answer.data.empty:
        _nothing(canvas, inner, answer)
    else:
        DRAWN[answer.panel.kind](canvas, inner, answer, page)


def _nothing(canvas: Canvas, box: Box, answer: Answer) -> None:
    no_value = answer.panel.defaults.get("noValue", "No data")
    if answer.panel.kind == "traces":
        no_value = "No data found in response"  # Whatever the panel would say instead.
    words, ink = (no_value, TEXT) if answer.excused else (answer.error or no_value, "#f2495c")
    for index, line in enumerate(textwrap.wrap(words, max(int(box.w // 10), 10))[:5]):
        x, y = box.x + box.w / 2, box.y + box.h * 0.4 + 18 * index
        canvas.text(x, y, line, size=10, ink=ink, align="center")
