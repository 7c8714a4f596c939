"""Where Grafana 12.2 puts what, in pixels; read in its source, and measured where that says so.

Page: `dashboard-scene/edit-pane/DashboardEditPaneSplitter.tsx` pads a board by 16 px on both
sides (side menu folded); `core/constants.ts` has the grid of 24 columns, rows of 30 px and gaps
of 8 px. Panel: `grafana-ui/PanelChrome.tsx` and `themes/createComponents.ts`, a heading of 32 px,
a padding of 8 px and a border of 1 px. Legend: `VizLayout.tsx` (at most 35 % of the panel's
inside), `VizLegendList.tsx` and `SeriesIcon.tsx`; the height of its rows is measured. Table:
`TableNG/constants.ts`, `computeColWidths` and `getDefaultRowHeight` in `TableNG/utils.ts`. Trace:
`TraceTimelineViewer/VirtualizedTraceView.tsx`; what stands above the spans is measured. Logs:
`features/logs/components/getLogRowStyles.ts` and `LogRow.tsx`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grafana.pictures import inter
from grafana.pictures.board import Json

NARROW, WIDE = 1600, 1920
"""The two widths of a window that boards must read at."""
COLUMNS, CELL, GAP, PAGE_PADDING = 24, 30, 8, 16
HEADING, PADDING, BORDER = 32, 8, 1
INFO, MENU = 32, 24
"""The mark at a title whose panel has a description, one more for its links; and the menu's room.

Measured: a title of 86 px is cut in a panel of 189 px, and one of 144 px is not in one of 255.
"""
SCROLLBAR = 11
"""A thin one, as Chromium draws it."""


@dataclass(frozen=True)
class Grid:
    """A place in the 24 columns: what a panel's `gridPos` says."""

    x: int
    y: int
    w: int
    h: int

    def left(self, window: int) -> float:
        """Pixels from the window's left edge."""
        return PAGE_PADDING + self.x * (_column(window) + GAP)

    def width(self, window: int) -> float:
        """The panel's width, its border included."""
        return self.w * _column(window) + (self.w - 1) * GAP

    @property
    def top(self) -> int:
        """Pixels from the top of the grid."""
        return self.y * (CELL + GAP)

    @property
    def height(self) -> int:
        """The panel's height, its border included."""
        return self.h * CELL + (self.h - 1) * GAP

    def inside(self, window: int) -> tuple[float, float]:
        """Width and height of what the panel draws into."""
        edge = 2 * (PADDING + BORDER)
        return self.width(window) - edge, self.height - HEADING - edge


def _column(window: int) -> float:
    return (window - 2 * PAGE_PADDING - (COLUMNS - 1) * GAP) / COLUMNS


LEGEND_ROW, LEGEND_PADDING, LEGEND_SHARE = 23.4, 4, 0.35
"""A row's height as Chromium lays it out: a line of the body's font holds the smaller letters."""
LEGEND_ICON, LEGEND_AFTER = 14 + 8, 10


def legend_item(words: str) -> float:
    """Return the width of one name with its mark and what follows it."""
    return LEGEND_ICON + inter.width(words, inter.SMALL) + LEGEND_AFTER


def legend_rows(names: Sequence[str], width: float) -> list[list[str]]:
    """Return the names as they flow into rows of a legend below a panel `width` wide inside."""
    rows: list[list[str]] = []
    room = 0.0
    for name in names:
        need = legend_item(name)
        if need > room or not rows:
            rows.append([])
            room = width - 2 * LEGEND_PADDING
        rows[-1].append(name)
        room -= need
    return rows


def legend_height(rows: int) -> float:
    """Return the height that a legend of so many rows asks for."""
    return 2 * LEGEND_PADDING + rows * LEGEND_ROW if rows else 0.0


def legend_box(rows: int, height: float) -> float:
    """Return the height that it gets in a panel `height` high inside; what is more scrolls."""
    return min(legend_height(rows), LEGEND_SHARE * height)


TABLE_HEAD, TABLE_ROW, CELL_EDGE, SORT_ICON, LEAST_COLUMN = 28, 36, 2 * 6 + 1, 16 + 4, 150
"""A heading, a row, both paddings and the border of a cell, the arrow of the sorted column."""
ID_COLUMN = CELL_EDGE + 273
"""An id of 32 hexadecimal digits: of 2000 random ones, 95 % are at most 273 px wide."""


def column_widths(fields: Sequence[Json], room: float) -> list[float]:
    """Return the columns' widths by their settings; those without one share what is left."""
    fixed = [float(field.get("custom.width") or 0) for field in fields]
    free = sum(not width for width in fixed)
    share = (room - sum(fixed)) / free if free else 0.0
    least = [float(field.get("custom.minWidth") or LEAST_COLUMN) for field in fields]
    return [width or max(share, own) for width, own in zip(fixed, least, strict=True)]


def table_rows(height: float) -> int:
    """Return how many whole rows stand below a table's heading."""
    return max(int((height - TABLE_HEAD) // TABLE_ROW), 0)


LOG_LINE, LOG_EDGE, LOG_BEFORE = 18.86, 1.0, 18 + 23
"""A line, the border of a record, and the columns of level and details before the time."""
LOG_TIME = 23 * inter.MONO + 8
"""The time of a record, to the millisecond, with what follows it."""


def log_room(width: float, *, with_time: bool) -> int:
    """Return the letters of a log panel's line."""
    pixels = width - SCROLLBAR - LOG_BEFORE - (LOG_TIME if with_time else 0)
    return max(int(pixels / inter.MONO), 1)


def log_height(letters: int, room: int, *, wrapped: bool) -> float:
    """Return the height of one record of so many letters."""
    return LOG_EDGE + LOG_LINE * (max(math.ceil(letters / room), 1) if wrapped else 1)


TRACE_HEAD, SPAN_ROW = 250, 28
"""Title, facts, filters, overview and time line above the spans: nine grid rows show one span."""
TRACE_ROWS = 16
"""Grid rows that show a request's six spans, with room for a link and a retry."""


def spans_shown(height: float) -> int:
    """Return how many spans of a trace stand in a panel `height` high inside."""
    return max(int((height - TRACE_HEAD) // SPAN_ROW), 0)


SCALE, SCALE_SHARE = 48, 0.2
"""`HeatmapPanel.tsx`: the scale of a heatmap's colors, a fifth of its panel at most."""
CROWDED, ORDINARY = 10, 14
"""Pixels of a bucket: below the first Grafana leaves labels out, from the second they are apart."""


def heatmap_height(height: float, *, with_scale: bool) -> float:
    """Return the height that a heatmap's axis and field get in a panel `height` high inside."""
    return height - (min(SCALE, SCALE_SHARE * height) if with_scale else 0)


def heatmap_every(buckets: int, height: float) -> int:
    """Return which buckets have a label, 1 for all: Grafana halves them until each has room."""
    every, edges = 1, buckets + 1
    while math.ceil(edges / every) > 3 and (height - 15) / math.ceil(edges / every) < CROWDED:
        every *= 2
    return every


AXIS_TICK, AXIS_GAP, AXIS_SHARE = 4, 5, 0.4
"""`UPlotAxisBuilder.ts`: a mark, a gap, and the most that labels take of a panel's width."""
AXIS_BELOW = AXIS_TICK + AXIS_GAP + inter.SMALL
"""The height of the axis of time."""


def axis_width(labels: Sequence[str], width: float) -> float:
    """Return the width of an axis of values at the left."""
    longest = max((inter.width(label, inter.SMALL) for label in labels), default=0.0)
    return math.ceil(AXIS_TICK + AXIS_GAP + min(longest, AXIS_SHARE * width))


def title_fits(title: str, width: float, marks: int) -> bool:
    """Tell whether a title stands uncut in a panel `width` wide, beside so many marks."""
    return inter.width(title, medium=True) <= width - 2 * (PADDING + BORDER) - marks * INFO - MENU
