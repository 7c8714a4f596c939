"""Time series: lines or stacked areas on Grafana's axes, their limits, exemplars and marks."""

import math
import time
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from grafana.pictures import geometry, legend, scales, units
from grafana.pictures.board import Json, Panel
from grafana.pictures.canvas import DPI, PALETTE, Axes, Box, Canvas, color, shade
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Series
from grafana.pictures.scales import Scale

_TICKS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
_TOP, _RIGHT = 8, 8


def draw(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw the panel's lines and its legend into the box."""
    panel, shown = answer.panel, answer.data.series
    colors = [_color(panel, series, index) for index, series in enumerate(shown)]
    names = legend.of(panel, shown, colors, box)
    plot = box.inside(0, _TOP, _RIGHT, geometry.AXIS_BELOW + names.height)
    scale = _scale(panel, shown, plot.h)
    words = [_worded(panel, value) for value in scale.labels]
    axes = canvas.axes(plot.inside(geometry.axis_width(words, box.w), 0, 0, 0))
    _lines(axes, shown, colors, panel, scale.low)
    _apply(axes, scale, panel)
    _limits(axes, panel)
    for dot in answer.data.exemplars:
        axes.plot(dot.at, dot.value, "D", ms=3, color="#56d8ff", mec="#0e1013", mew=0.4)
    marks(axes, page)
    time_axis(axes, page)
    legend.draw(canvas, names, box)


def marks(axes: Axes, page: Page) -> None:
    """Draw the annotations: a line at the start and the end of each, and its time shaded."""
    for mark in page.marks:
        ink = color(mark.color)
        for at in {mark.start, mark.end}:
            axes.axvline(at, color=ink, linewidth=1, linestyle=(0, (3, 3)), alpha=0.8)
        if mark.end > mark.start:
            axes.axvspan(mark.start, mark.end, color=ink, alpha=0.1, linewidth=0, zorder=0.5)


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
    chosen = panel.field(series.name, series.asked).get("color", {})
    name = str(chosen.get("fixedColor", ""))
    if not name:
        return PALETTE[index % len(PALETTE)]
    return shade(name, index) if chosen.get("mode") == "shades" else color(name)


def _stacked(custom: Json) -> bool:
    return bool(custom.get("stacking", {}).get("mode") == "normal")


def _dashes(panel: Panel, series: Series) -> str:
    fill = panel.field(series.name, series.asked).get("custom.lineStyle", {}).get("fill", "solid")
    return {"dash": "--", "dot": ":"}.get(fill, "-")


def _lines(
    axes: Axes, shown: Sequence[Series], colors: Sequence[str], panel: Panel, bottom: float
) -> None:
    below: dict[float, float] = {}
    for series, ink in zip(shown, colors, strict=True):
        settings = panel.field(series.name, series.asked)
        custom = panel.custom | _own(settings)
        opacity, width = custom.get("fillOpacity", 0) / 100, 1.3 * custom.get("lineWidth", 1)
        points = _with_gaps(series.points)
        if _stacked(custom):
            points = [(at, value + below.get(at, 0.0)) for at, value in points]
            floor = [below.get(at, 0.0) for at, _ in points]
            below |= {at: value for at, value in points if not math.isnan(value)}
            axes.fill_between(*_columns(points), floor, color=ink, alpha=opacity, linewidth=0)
        elif opacity:
            axes.fill_between(*_columns(points), bottom, color=ink, alpha=opacity, linewidth=0)
        alone = len(series.points) == 1
        marker = "o" if alone and width else ""
        style = _dashes(panel, series)
        axes.plot(*_columns(points), style, color=ink, linewidth=width, marker=marker, ms=3)


def _own(settings: Json) -> Json:
    """What a field's overrides say of its line, by the names of the panel's settings."""
    found = {name.partition("custom.")[2]: value for name, value in settings.items()}
    return {name: value for name, value in found.items() if name}


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


def _scale(panel: Panel, shown: Sequence[Series], height: float) -> Scale:
    values = [value for series in shown for _, value in series.points]
    positive = [value for value in values if value > 0]
    if logarithmic(panel) and positive:
        return scales.logarithmic(min(positive), max(positive), height)
    low = panel.defaults.get("min")
    low = min(*values, 0.0) if low is None else float(low)
    return scales.linear(
        _top(shown, values, _stacked(panel.custom)),
        height,
        low=low,
        soft=panel.custom.get("axisSoftMax"),
        hard=panel.defaults.get("max"),
        binary=panel.defaults["unit"] == "bytes",
    )


def logarithmic(panel: Panel) -> bool:
    """Tell whether the panel's axis of values is logarithmic."""
    return bool(panel.custom.get("scaleDistribution", {}).get("type") == "log")


def _apply(axes: Axes, scale: Scale, panel: Panel) -> None:
    if logarithmic(panel) and scale.low > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(FixedLocator(scale.lines))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="minor", length=0)
    axes.set_ylim(scale.low, scale.high)
    axes.yaxis.set_major_locator(FixedLocator(scale.labels))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _escaped(panel, value)))
    axes.tick_params(axis="y", pad=_points(geometry.AXIS_TICK + geometry.AXIS_GAP))
    axes.tick_params(axis="x", pad=_points(geometry.AXIS_TICK))


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


def _escaped(panel: Panel, value: float) -> str:
    return _worded(panel, value).replace("$", r"\$")


def _worded(panel: Panel, value: float) -> str:
    unit = str(panel.defaults["unit"])
    return units.words(value, unit) if logarithmic(panel) else units.tick(value, unit)


def _top(shown: Sequence[Series], values: Sequence[float], stacked: bool) -> float:
    if not stacked:
        return max(values, default=0.0)
    sums: dict[float, float] = {}
    for series in shown:
        for at, value in series.points:
            sums[at] = sums.get(at, 0.0) + value
    return max(sums.values(), default=0.0)


def _limits(axes: Axes, panel: Panel) -> None:
    # A line outside of the axis is not drawn, and no threshold stretches one.
    if panel.custom.get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    for step in panel.defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is not None:
            axes.axhline(step["value"], color=color(step["color"]), linewidth=1.2, linestyle="--")
