"""The legend below a panel: names in rows as Grafana lets them flow, cut at a third of its height.

A calculation prints its name before each number, as Grafana does; `hideFrom` leaves a name out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.pictures import geometry, inter, labels, units
from grafana.pictures.board import Panel
from grafana.pictures.canvas import DIM, TEXT, Box, Canvas, points
from grafana.pictures.frames import Series

_CALCULATED = {"last": "Last", "lastNotNull": "Last *", "max": "Max", "min": "Min", "mean": "Mean"}


@dataclass(frozen=True)
class Legend:
    """The rows of (words, color), the height that the legend gets, and which lines are dashed."""

    rows: list[list[tuple[str, str]]]
    height: float
    dashed: frozenset[str] = frozenset()

    @property
    def whole(self) -> int:
        """How many rows stand whole in that height; a reader scrolls to the others."""
        return int((self.height - geometry.LEGEND_PADDING) // geometry.LEGEND_ROW)


def of(panel: Panel, shown: Sequence[Series], colors: Sequence[str], box: Box) -> Legend:
    """Return the legend of a panel whose inside is the box."""
    if not panel.options.get("legend", {}).get("showLegend", True):
        return Legend([], 0.0)
    inks = {_words(panel, one): ink for one, ink in zip(shown, colors, strict=True)}
    hidden = {_words(panel, one) for one in shown if labels.hidden(panel, one.name, one.asked)}
    names = [words for words in inks if words not in hidden]
    rows = geometry.legend_rows(names, box.w)
    height = geometry.legend_box(len(rows), box.h)
    dashed = frozenset(_words(panel, one) for one in shown if _dashed(panel, one))
    return Legend([[(name, inks[name]) for name in row] for row in rows], height, dashed)


def _dashed(panel: Panel, series: Series) -> bool:
    style = panel.field(series.name, series.asked).get("custom.lineStyle", {})
    return bool(style.get("fill") == "dash")


def _words(panel: Panel, series: Series) -> str:
    calculated = panel.options.get("legend", {}).get("calcs", [])
    parts = [f"{_CALCULATED.get(one, one)}: {_number(panel, series)}" for one in calculated]
    return "  ".join([series.name, *parts])


def _number(panel: Panel, series: Series) -> str:
    last = series.points[-1][1] if series.points else float("nan")
    return units.words(last, str(panel.defaults["unit"]))


def draw(canvas: Canvas, legend: Legend, box: Box) -> None:
    """Draw the rows that stand whole, and say what is cut."""
    shown, top = legend.rows[: legend.whole], box.y + box.h - legend.height
    size = points(inter.SMALL)
    for index, row in enumerate(shown):
        x = box.x + geometry.LEGEND_PADDING
        y = top + geometry.LEGEND_PADDING + geometry.LEGEND_ROW * (index + 0.5)
        for words, ink in row:
            for part in (Box(x, y - 2, 6, 4), Box(x + 8, y - 2, 6, 4)):
                canvas.rectangle(part, ink)
            if words not in legend.dashed:
                canvas.rectangle(Box(x, y - 2, 14, 4), ink)
            room = box.w - geometry.LEGEND_ICON - 2 * geometry.LEGEND_PADDING
            kept = inter.cut(words, room, inter.SMALL)
            canvas.text(x + geometry.LEGEND_ICON, y, kept, size=size, ink=TEXT)
            x += geometry.legend_item(words)
    cut = sum(map(len, legend.rows[legend.whole :]))
    if cut:
        words, x = f"{cut} more names: scroll", box.x + box.w - 4
        y = box.y + box.h - geometry.LEGEND_ROW / 2
        pixels = inter.width(words, inter.SMALL) + 8
        canvas.cover(Box(x - pixels, y - 9, pixels + 4, 18))
        canvas.text(x, y, words, size=size, ink=DIM, align="right")
