"""Every other kind of panel: a number, a table, bands, a heatmap, log lines, a trace."""

import math
import re
import textwrap
from collections.abc import Callable

from matplotlib.colors import LinearSegmentedColormap, PowerNorm

from grafana.pictures import chart, units
from grafana.pictures.board import Json, Panel
from grafana.pictures.canvas import DIM, PANEL, TEXT, Box, Canvas, color, fit, letters
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Cell, Row, Series

ROW = 22
_HEAT = LinearSegmentedColormap.from_list("heat", [PANEL, "#8a3c12", "#ff9830", "#fff3c4"])


def step_color(steps: list[Json], value: float) -> str:
    """The color of the last threshold that the value reaches."""
    reached = [s["color"] for s in steps if s["value"] is None or value >= s["value"]]
    return color(reached[-1] if reached else "text")


def stat(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw each last value large, its course faint behind it; of several, the name above."""
    shown = answer.data.series
    for index, series in enumerate(shown):
        part = Box(box.x + box.w * index / len(shown), box.y, box.w / len(shown), box.h)
        _number(canvas, part, series, answer.panel, page)
        if len(shown) > 1:
            middle = (part.x + part.w / 2, part.y + part.h * 0.08)
            canvas.text(*middle, fit(series.name, part.w), size=8.5, ink=DIM, align="center")


def _number(canvas: Canvas, box: Box, series: Series, panel: Panel, page: Page) -> None:
    defaults = panel.defaults
    value, words = _reduced(series, panel)
    ink = TEXT if math.isnan(value) else step_color(defaults["thresholds"]["steps"], value)
    filled = panel.options.get("colorMode") == "background" and not math.isnan(value)
    if filled:
        canvas.rectangle(box.inside(1, 0, 1, 1), ink, alpha=0.28)
    course = canvas.axes(box.inside(1, box.h * 0.55, 1, 1))
    course.axis("off")
    times, values = [p[0] for p in series.points], [p[1] for p in series.points]
    course.fill_between(times, values, color=ink, alpha=0.25, linewidth=0)
    course.plot(times, values, color=ink, linewidth=1)
    course.set(xlim=(page.window.start, page.window.end), ylim=(0, max([*values, 1e-12]) * 1.1))
    middle = (box.x + box.w / 2, box.y + box.h * 0.36)
    size = min(30.0, box.w / max(len(words), 4) * 1.1)
    canvas.text(*middle, words, size=size, ink=ink, align="center", weight="bold")


def _reduced(series: Series, panel: Panel) -> tuple[float, str]:
    """The value that the panel's calculation takes, and its words or mapped text."""
    last = "last" in panel.options["reduceOptions"]["calcs"]
    value = series.last if last else series.points[-1][1]
    if not math.isnan(value):
        defaults = panel.defaults
        return value, units.words(value, str(defaults["unit"]), defaults.get("decimals"))
    mapped = [m["options"] for m in panel.defaults["mappings"] if m["type"] == "special"]
    return value, next(m["result"]["text"] for m in mapped if m["match"] == "nan")


def table(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the table's heading and as many rows as fit."""
    rows, panel = answer.data.rows, answer.panel
    columns = _widths(panel, rows, box.w - 20)
    room = int((box.h - ROW - 8) // ROW)
    for index, row in enumerate([None, *rows[:room]]):
        x, y = box.x + 12, box.y + 8 + ROW * index + ROW / 2
        if index:
            canvas.rectangle(Box(box.x + 8, y - ROW / 2, box.w - 16, 0.6), "#2a2d33")
        for name, width in columns.items():
            words, ink = (name, "#6e9fff") if row is None else _cell(panel, name, row.get(name, ""))
            canvas.text(x, y, fit(words, width - 8), ink=ink)
            x += width
    if len(rows) > room:
        canvas.text(
            box.x + box.w - 12,
            box.y + box.h - 6,
            f"{len(rows) - room} more rows below",
            size=7,
            ink=DIM,
            align="right",
        )


def _widths(panel: Panel, rows: list[Row], room: float) -> dict[str, float]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    fixed = {name: panel.field(name).get("custom.width") for name in names}
    free = room - sum(width for width in fixed.values() if width)
    share = free / max(sum(not width for width in fixed.values()), 1)
    return {name: float(width or share) for name, width in fixed.items()}


def _cell(panel: Panel, name: str, value: Cell) -> tuple[str, str]:
    settings = panel.field(name)
    ink = "#6e9fff" if settings.get("links") else TEXT
    if isinstance(value, str):
        return value, ink
    unit = str(settings.get("unit", "none"))
    if unit.startswith("dateTime"):
        return chart.clock(value, seconds=True), ink
    if "custom.cellOptions" in settings:
        ink = step_color(settings["thresholds"]["steps"], value)
    return units.words(value, unit), ink


def timeline(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw one band per series, colored by its value mappings."""
    series = answer.data.series
    states = answer.panel.defaults["mappings"][0]["options"]
    axes = canvas.axes(box.inside(110, 4, 12, 24))
    for index, one in enumerate(series):
        for state, spells in _spells(one).items():
            ink = color(states[state]["color"])
            axes.broken_barh(spells, (index - 0.38, 0.76), color=ink, alpha=0.75, linewidth=0)
    axes.set_ylim(len(series) - 0.5, -0.5)
    axes.set_yticks(range(len(series)), [one.name for one in series])
    axes.grid(visible=False)
    chart.marks(axes, page)
    chart.time_axis(axes, page)


def _spells(series: Series) -> dict[str, list[tuple[float, float]]]:
    """(start, length) of each unbroken time in one state."""
    step = series.points[1][0] - series.points[0][0] if len(series.points) > 1 else 15.0
    spells: dict[str, list[tuple[float, float]]] = {}
    for at, value in series.points:
        mine = spells.setdefault(f"{value:g}", [])
        start, length = mine[-1] if mine else (at, 0.0)
        if mine and at - (start + length) < step / 2:
            mine[-1] = (start, length + step)
        else:
            mine.append((at, step))
    return spells


def heatmap(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw how many observations fell between each two edges."""
    edges = sorted(answer.data.series, key=lambda one: float(one.labels["le"]))
    times = sorted({at for one in edges for at, _ in one.points})
    counts, below = [], dict.fromkeys(times, 0.0)
    for one in edges:
        here = {**below, **dict(one.points)}
        counts.append([max(here[at] - below[at], 0.0) for at in times])
        below = here
    used = [index for index, row in enumerate(counts) if any(row)] or [0]
    low, high = used[0], used[-1] + 1
    axes = canvas.axes(box.inside(62, 6, 12, 24))
    shown = counts[low:high]
    axes.pcolormesh(
        times, range(len(shown)), shown, cmap=_HEAT, norm=PowerNorm(0.5), shading="nearest"
    )
    labels = [
        units.words(float(one.labels["le"]), str(answer.panel.defaults["unit"]))
        if math.isfinite(float(one.labels["le"]))
        else "more"
        for one in edges[low:high]
    ]
    every = max(len(labels) // 8, 1)
    axes.set_yticks(range(0, len(labels), every), [f"≤ {label}" for label in labels[::every]])
    chart.time_axis(axes, page)


def log_lines(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw as many log lines as fit, newest first."""
    for index, line in enumerate(answer.data.lines[: int((box.h - 8) // 17)]):
        y = box.y + 12 + 17 * index
        canvas.text(box.x + 12, y, chart.clock(line.at, seconds=True), size=7.5, ink=DIM, mono=True)
        words = fit(line.text, box.w - 100, 7.5, mono=True)
        canvas.text(box.x + 84, y, words, size=7.5, mono=True)


def trace(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the spans of a trace as bars on one time axis."""
    spans = answer.data.spans
    start = min(span.start for span in spans)
    whole = max(span.start + span.seconds for span in spans) - start or 1e-9
    left, room = box.x + 240, box.w - 340
    for index, span in enumerate(spans[: int((box.h - 8) // 26)]):
        y = box.y + 18 + 26 * index
        name = fit(span.name, 220 - 16 * span.depth)
        canvas.text(box.x + 14 + 16 * span.depth, y, name, weight="normal")
        x, width = left + room * (span.start - start) / whole, room * span.seconds / whole
        ink = "#5794f2" if span.depth == 0 else "#73bf69"
        canvas.rectangle(Box(x, y - 7, max(width, 2), 14), ink, alpha=0.85)
        canvas.text(x + max(width, 2) + 6, y, units.words(span.seconds, "s"), size=7.5, ink=DIM)


def words(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the lines of a text without its marks, as many as fit; Grafana scrolls to the rest."""
    lines = [
        part
        for line in answer.data.words.replace("`", "").splitlines()
        if not re.fullmatch(r"[|\s-]+", line)
        for part in textwrap.wrap(line.strip("| "), letters(box.w - 24, 8.5))
    ]
    for index, line in enumerate(lines[: int((box.h - 8) // 17)]):
        canvas.text(box.x + 12, box.y + 12 + 17 * index, line, size=8.5)


DRAWN: dict[str, Callable[[Canvas, Box, Answer, Page], None]] = {
    "timeseries": chart.draw,
    "stat": stat,
    "table": table,
    "state-timeline": timeline,
    "heatmap": heatmap,
    "logs": log_lines,
    "traces": trace,
    "text": words,
}
"""How each of Grafana's panel types is drawn."""
