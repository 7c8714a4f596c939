"""What would be cut, or out of sight, in a window of 1600 pixels."""

import re
from collections.abc import Iterator

from grafana.pictures import geometry, inter, labels
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.geometry import NARROW, Grid
from server.catalogue import BY_SERIES

RANKING = 12
"""Rows of a table at most, above which it is a list that a reader scrolls."""
_ID = "var-trace="
_CALCULATED = "  Last *: 69.7 ms"
"""What a legend prints of a calculation, with a number of usual length."""


def faults(board: Board) -> Iterator[str]:
    """Yield what does not fit, by panel."""
    for panel in board.panels:
        for fault in _panel(panel):
            yield f"{panel.title}: {fault}"


def _panel(panel: Panel) -> Iterator[str]:
    grid = Grid(*panel.grid)
    marks = bool(panel.raw.get("description")) + bool(panel.raw.get("links"))
    if not geometry.title_fits(panel.title, grid.width(NARROW), marks):
        yield f"its title is cut at {NARROW} px: shorten it"
    width, height = grid.inside(NARROW)
    if panel.kind == "table":
        yield from _table(panel, width, height)
    if panel.kind == "timeseries":
        yield from _legend(panel, width, height)
    if panel.kind == "heatmap":
        yield from _heatmap(panel, height)
    if panel.kind == "traces" and grid.h < geometry.TRACE_ROWS:
        yield f"a trace needs {geometry.TRACE_ROWS} rows of the grid to show a request's spans"
    if panel.kind == "logs" and not panel.options.get("wrapLogMessage"):
        yield "its lines are cut: wrap them"


def _legend(panel: Panel, width: float, height: float) -> Iterator[str]:
    if not panel.options.get("legend", {}).get("showLegend", True):
        return
    try:
        names = labels.names(panel)
    except labels.UnboundedError as error:
        yield f"its legend has no bound: ask for the topk of {error}, or name it in labels.py"
        return
    names = [name + _CALCULATED * len(panel.options["legend"].get("calcs", [])) for name in names]
    long = [name for name in names if geometry.legend_item(name) > width - 8]
    if long:
        yield f"the name {long[0]} is longer than its legend at {NARROW} px"
    rows = geometry.legend_rows(names, width)
    if geometry.legend_height(len(rows)) > geometry.legend_box(len(rows), height):
        yield f"its legend of {len(names)} names is cut at {NARROW} px: {len(rows)} rows"


def _heatmap(panel: Panel, height: float) -> Iterator[str]:
    with_scale = bool(panel.options.get("legend", {}).get("show", True))
    room = geometry.heatmap_height(height, with_scale=with_scale)
    for target in panel.targets:
        buckets = _buckets(str(target.get("expr", "")))
        every = geometry.heatmap_every(buckets, room)
        pixels = (room - geometry.AXIS_BELOW - 8) / max(buckets, 1) * every
        if pixels < geometry.ORDINARY:
            yield f"labels of {buckets} buckets lie over each other, {pixels:.0f} px for each"


def _buckets(query: str) -> int:
    """How many buckets a query asks for: those it names, else all of its histogram."""
    named = re.search(r'\ble=~"([^"]+)"', query)
    if named:
        # An edge may be named twice, 1 and 1.0: which of them Prometheus stores is its version's.
        return len({edge.removesuffix(".0") for edge in named[1].split("|")})
    series = re.search(r"(\w+_bucket)\b", query)
    metric = BY_SERIES.get(series[1]) if series else None
    return len(metric.buckets) + 1 if metric else 0


def columns(panel: Panel) -> list[str]:
    """Return a table's headings in their order, as the transformation `organize` leaves them."""
    steps = [one.get("options", {}) for one in panel.raw.get("transformations", [])]
    named: Json = next((one for one in steps if "renameByName" in one), {})
    headings, order = named.get("renameByName", {}), named.get("indexByName", {})
    kept = named.get("includeByName") or headings
    return [headings.get(name) or name for name in sorted(kept, key=lambda n: order.get(n, 99))]


def _table(panel: Panel, width: float, height: float) -> Iterator[str]:
    rows = _rows(panel)
    if rows is not None and rows <= RANKING and rows > geometry.table_rows(height):
        yield f"{rows} rows do not fit, {geometry.table_rows(height)} do: make it higher"
    shown = [name for name in columns(panel) if not panel.field(name).get("custom.hidden")]
    # A list that is longer than its panel has a bar at the right.
    fits = rows is not None and rows <= geometry.table_rows(height)
    room = width if fits else width - geometry.SCROLLBAR
    widths = geometry.column_widths([panel.field(name) for name in shown], room)
    if sum(widths) > room:
        yield f"its columns are {sum(widths):.0f} px wide, {room:.0f} are there at {NARROW} px"
    for name, pixels in zip(shown, widths, strict=True):
        yield from _column(panel, name, pixels)


def _rows(panel: Panel) -> int | None:
    """The rows that a table has at most, as far as it says so."""
    steps = panel.raw.get("transformations", [])
    limits = [int(one["options"]["limitField"]) for one in steps if one["id"] == "limit"]
    return min(limits, default=None)


def _column(panel: Panel, name: str, pixels: float) -> Iterator[str]:
    is_sorted = any(key["displayName"] == name for key in panel.options.get("sortBy") or [])
    arrow = geometry.SORT_ICON if is_sorted else 0
    if inter.width(name, medium=True) + geometry.CELL_EDGE + arrow > pixels:
        yield f"the heading {name} is cut in {pixels:.0f} px"
    if pixels < geometry.ID_COLUMN and _is_id(panel.field(name)):
        yield f"the ids of {name} are cut: {pixels:.0f} px, {geometry.ID_COLUMN} are needed"


def _is_id(settings: Json) -> bool:
    return any(_ID in link["url"] for link in settings.get("links", []))
