"""One board as a PNG: its panels where Grafana puts them."""

import textwrap
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageColor

from grafana.pictures import chart, expand
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
)
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.shown import DRAWN

WIDTH, CELL, HEAD, GAP = 1600, 36, 64, 8


def save(page: Page, path: Path) -> None:
    """Draw a page and write it as a PNG of 256 colors, a third of the size."""
    raw = BytesIO()
    draw(page).figure.savefig(raw, format="png")
    image = Image.open(raw).convert("RGB")
    image.quantize(palette=_palette(image), dither=Image.Dither.NONE).save(path, optimize=True)


def _palette(image: Image.Image) -> Image.Image:
    # The commonest colors alone would lose a legend's small field, so every ink has its place.
    inks = [ImageColor.getrgb(ink)[:3] for ink in (*COLORS.values(), *PALETTE, *SURFACES)]
    common = image.quantize(256 - len(inks)).getpalette() or []
    made = Image.new("P", (1, 1))
    made.putpalette([*(part for ink in inks for part in ink), *common][:768])
    return made


def draw(page: Page) -> Canvas:
    """Draw the heading, the rows' titles and every panel."""
    grids = [panel.grid for panel in [*page.board.panels, *page.board.rows]]
    canvas = Canvas(WIDTH, HEAD + max(y + h for _, y, _, h in grids) * CELL + GAP)
    _heading(canvas, page)
    for row in page.board.rows:
        box = _box(row)
        title = expand.fill(row.title, page.values)
        canvas.text(box.x + 4, box.y + CELL / 2, title, size=11, weight="bold")
        if row.raw.get("collapsed"):
            words = "opens with a click"
            canvas.text(WIDTH - 12, box.y + CELL / 2, words, size=8, ink=DIM, align="right")
    for answer in page.answers:
        _panel(canvas, answer, page)
    return canvas


def _box(panel: Panel) -> Box:
    x, y, w, h = panel.grid
    unit = (WIDTH - GAP) / 24
    return Box(GAP + x * unit, HEAD + y * CELL + GAP / 2, w * unit - GAP, h * CELL - GAP)


def _heading(canvas: Canvas, page: Page) -> None:
    canvas.text(GAP + 4, 22, page.board.title, size=15, weight="bold")
    canvas.text(GAP + 4, 48, str(page.board.raw.get("description", "")), size=9, ink=DIM)
    chosen = [_chosen(page, variable) for variable in page.board.variables if not _hidden(variable)]
    start, end = (chart.clock(at) for at in (page.window.start, page.window.end))
    words = "   ".join([*chosen, f"{start} to {end} UTC"])
    canvas.text(WIDTH - 12, 22, words, size=9, align="right")
    marks = sorted({name for _, name, _ in page.marks})
    canvas.text(
        WIDTH - 12,
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


def _panel(canvas: Canvas, answer: Answer, page: Page) -> None:
    box = _box(answer.panel)
    canvas.rectangle(box, PANEL, EDGE)
    title = fit(answer.panel.title, box.w - 20, 10)
    canvas.text(box.x + 12, box.y + 16, title, size=9.5, weight="bold")
    inner = box.inside(0, 30, 0, 0)
    if answer.error or answer.data.empty:
        _nothing(canvas, inner, answer)
    else:
        DRAWN[answer.panel.kind](canvas, inner, answer, page)


def _nothing(canvas: Canvas, box: Box, answer: Answer) -> None:
    no_value = answer.panel.defaults.get("noValue", "No data")
    words, ink = (no_value, TEXT) if answer.excused else (answer.error or no_value, "#f2495c")
    for index, line in enumerate(textwrap.wrap(words, max(int(box.w // 10), 10))[:5]):
        x, y = box.x + box.w / 2, box.y + box.h * 0.4 + 18 * index
        canvas.text(x, y, line, size=10, ink=ink, align="center")
