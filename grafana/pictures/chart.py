"""Time series: lines or stacked areas, their limits, exemplars, marks and legend."""

import math
import time
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullFormatter,
)

from grafana.pictures import units
from grafana.pictures.board import Json, Panel
from grafana.pictures.canvas import PALETTE, TEXT, Axes, Box, Canvas, color, fit, shade
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Series

LEGEND_ROW = 17
_TICKS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


def draw(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw the panel's lines into the box."""
    custom = answer.panel.defaults.get("custom", {})
    shown = [series for series in answer.data.series if series.points]
    colors = [_color(answer.panel, series, index) for index, series in enumerate(shown)]
    legend = _legend([one for one in shown if _is_named(answer.panel, one)], box)
    plot = box.inside(60, 6, 12, 24 + LEGEND_ROW * len(legend))
    axes = canvas.axes(plot)
    _lines(axes, shown, colors, answer.panel)
    _scale(axes, shown, answer.panel, stacked=_stacked(custom))
    canvas.widen_for_labels(axes, plot)
    _limits(axes, answer.panel.defaults, custom)
    for dot in answer.data.exemplars:
        axes.plot(dot.at, dot.value, "D", ms=3, color="#56d8ff", mec="#0e1013", mew=0.4)
    marks(axes, page)
    time_axis(axes, page)
    _draw_legend(canvas, legend, box, dict(zip((s.name for s in shown), colors, strict=True)))


def marks(axes: Axes, page: Page) -> None:
    """Draw the annotations as vertical lines."""
    for at, _, ink in page.marks:
        axes.axvline(at, color=color(ink), linewidth=1, linestyle=(0, (3, 3)), alpha=0.8)


def time_axis(axes: Axes, page: Page) -> None:
    """Label about six round times (UTC)."""
    window = page.window
    every = next((t for t in _TICKS if window.seconds / t <= 7), _TICKS[-1])
    first = math.ceil(window.start / every) * every
    ticks = [first + n * every for n in range(int((window.end - first) // every) + 1)]
    axes.set_xlim(window.start, window.end)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: clock(at)))


def clock(at: float, seconds: bool = False) -> str:
    """A time of day, UTC."""
    return time.strftime("%H:%M:%S" if seconds else "%H:%M", time.gmtime(at))


def _color(panel: Panel, series: Series, index: int) -> str:
    chosen = panel.field(series.name).get("color", {})
    if not chosen:
        return PALETTE[index % len(PALETTE)]
    name = str(chosen["fixedColor"])
    return shade(name, index) if chosen["mode"] == "shades" else color(name)


def _stacked(custom: Json) -> bool:
    return bool(custom.get("stacking", {}).get("mode") == "normal")


def _is_named(panel: Panel, series: Series) -> bool:
    return not panel.field(series.name).get("custom.hideFrom", {}).get("legend", False)


def _dashes(panel: Panel, series: Series) -> str:
    fill = panel.field(series.name).get("custom.lineStyle", {}).get("fill", "solid")
    return {"dash": "--", "dot": ":"}.get(fill, "-")


def _lines(axes: Axes, shown: Sequence[Series], colors: Sequence[str], panel: Panel) -> None:
    below: dict[float, float] = {}
    custom = panel.defaults.get("custom", {})
    width, opacity = 1.3 * custom.get("lineWidth", 1), custom.get("fillOpacity", 0) / 100
    for series, ink in zip(shown, colors, strict=True):
        points = _with_gaps(series.points)
        if _stacked(custom):
            points = [(at, value + below.get(at, 0.0)) for at, value in points]
            floor = [below.get(at, 0.0) for at, _ in points]
            below |= {at: value for at, value in points if not math.isnan(value)}
            axes.fill_between(*_columns(points), floor, color=ink, alpha=opacity, linewidth=0)
        alone = len(series.points) == 1
        marker = "o" if alone and width else ""
        style = _dashes(panel, series)
        axes.plot(*_columns(points), style, color=ink, linewidth=width, marker=marker, ms=3)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [at for at, _ in points], [value for _, value in points]


def _with_gaps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) < 2:
        return list(points)
    step = min(b[0] - a[0] for a, b in pairwise(points))
    line = [points[0]]
    for before, here in pairwise(points):
        if here[0] - before[0] > 1.5 * step:
            line.append((before[0] + step, math.nan))
        line.append(here)
    return line


def _scale(axes: Axes, shown: Sequence[Series], panel: Panel, stacked: bool) -> None:
    custom, unit = panel.defaults.get("custom", {}), str(panel.defaults["unit"])
    values = [value for series in shown for _, value in series.points]
    soft = custom.get("axisSoftMax")
    log = custom.get("scaleDistribution", {}).get("type") == "log" and any(v > 0 for v in values)
    if log:
        positive = [value for value in values if value > 0] + ([soft] if soft else [])
        axes.set_yscale("log")
        axes.set_ylim(min(positive) / 1.4, max(positive) * 1.4)
        wide = max(positive) / min(positive) > 50
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5), numticks=8))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
    else:
        top = _top(shown, values, stacked) * 1.08
        hard = panel.defaults.get("max")
        axes.set_ylim(panel.defaults.get("min"), hard or max(top, (soft or 0) * 1.04) or 1)
        axes.yaxis.set_major_locator(_locator(unit, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, unit)))


def _locator(unit: str, top: float) -> Locator:
    if unit != "bytes":
        return MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    return MultipleLocator(2.0 ** math.ceil(math.log2(max(top, 1.0) / 6)))


def _tick(value: float, unit: str) -> str:
    return units.words(value, unit).replace("$", r"\$")


def _top(shown: Sequence[Series], values: Sequence[float], stacked: bool) -> float:
    if not stacked:
        return max(values, default=1.0)
    sums: dict[float, float] = {}
    for series in shown:
        for at, value in series.points:
            sums[at] = sums.get(at, 0.0) + value
    return max(sums.values(), default=1.0)


def _limits(axes: Axes, defaults: Json, custom: Json) -> None:
    if custom.get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is not None:
            axes.axhline(step["value"], color=color(step["color"]), linewidth=1.2, linestyle="--")


def _legend(shown: Sequence[Series], box: Box) -> list[list[tuple[str, str]]]:
    """The legend's rows of (name, words), at most three, the rest counted."""
    rows: list[list[tuple[str, str]]] = [[]]
    room = box.w - 24
    for index, series in enumerate(shown):
        words = fit(series.name, box.w - 40)
        need = 28 + len(words) * 6.7
        if need > room and rows[-1]:
            if len(rows) == 3:
                rows[-1].append(("", f"+{len(shown) - index} more"))
                break
            rows.append([])
            room = box.w - 24
        rows[-1].append((series.name, words))
        room -= need
    return rows


def _draw_legend(
    canvas: Canvas, rows: list[list[tuple[str, str]]], box: Box, colors: dict[str, str]
) -> None:
    for index, row in enumerate(rows):
        x, y = box.x + 14, box.y + box.h - LEGEND_ROW * (len(rows) - index) + 4
        for name, words in row:
            if name in colors:
                canvas.rectangle(Box(x, y - 2, 11, 4), colors[name])
            canvas.text(x + 16, y, words, ink=TEXT)
            x += 28 + len(words) * 6.7
