"""The other kinds of panel: a number, bands, a heatmap; and who draws each kind."""

import math
from collections.abc import Callable

from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_hex

from grafana.pictures import chart, geometry, grid, inter, lines, units
from grafana.pictures.board import Panel
from grafana.pictures.canvas import DIM, PANEL, TEXT, Box, Canvas, color, points
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Series
from grafana.pictures.grid import step_color

_LINE, _EDGE = 1.2, 8
_PAGES = 38
"""The height of the pages' numbers below bands, which stand there though there is one page."""
_BOLD = 0.9
"""DejaVu Sans Bold is so much wider than Inter Medium."""
_HEAT = LinearSegmentedColormap.from_list("heat", [PANEL, "#8a3c12", "#ff9830", "#fff3c4"])


def stat(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw each last value large, its course below it if it has one; of several, each named."""
    shown = answer.data.series
    wide = len(shown) < 2 or box.w > box.h
    w, h = (box.w / len(shown), box.h) if wide else (box.w, box.h / len(shown))
    for index, series in enumerate(shown):
        left, top = (w * index, 0.0) if wide else (0.0, h * index)
        _number(canvas, Box(box.x + left, box.y + top, w, h), series, answer, page)


def _number(canvas: Canvas, box: Box, series: Series, answer: Answer, page: Page) -> None:
    panel, shown = answer.panel, answer.data.series
    ink = _ink(canvas, box, series, panel)
    with_course = panel.options.get("graphMode") == "area" and len(series.points) > 1
    if with_course:
        _course(canvas, box, series, ink, page)
    height = box.h * (0.75 if with_course else 1)
    title = min(box.h * 0.15 / _LINE, 30) if len(shown) > 1 else 0.0
    # Of several numbers all are as large as the longest allows, and stand at the left.
    longest = max((_reduced(one, panel)[1] for one in shown), key=inter.width)
    size = _value_size(longest, box.w, height - title * _LINE)
    y = box.y + (height - (size + title) * _LINE) / 2
    x, align = (box.x + 4, "left") if title else (box.x + box.w / 2, "center")
    if title:
        name = inter.cut(series.name, box.w, title)
        canvas.text(x, y + title * 0.6, name, size=points(title))
    _, words = _reduced(series, panel)
    middle = y + title * _LINE + size * 0.6
    canvas.text(x, middle, words, size=points(size), ink=ink, align=align, weight="bold")


def _ink(canvas: Canvas, box: Box, series: Series, panel: Panel) -> str:
    """The number's color; a panel that is colored as a whole has its field filled."""
    value, _ = _reduced(series, panel)
    filled = panel.options.get("colorMode") == "background"
    if math.isnan(value):
        return TEXT if filled else DIM
    ink = step_color(panel.defaults["thresholds"]["steps"], value)
    if filled:
        canvas.rectangle(box.inside(-_EDGE, -_EDGE, -_EDGE, -_EDGE), ink, alpha=0.75)
        return "#ffffff"
    return ink


def _value_size(words: str, width: float, height: float) -> float:
    """Pixels of a number as `BigValueLayout.tsx` finds them: as large as its place allows."""
    by_width = (width - 2 * _EDGE) / (inter.width(words, 14, medium=True) + 2) * 14
    return min(by_width * _BOLD, (height - 2 * _EDGE) / _LINE)


def _course(canvas: Canvas, box: Box, series: Series, ink: str, page: Page) -> None:
    course = canvas.axes(box.inside(0, box.h * 0.75, 0, 0))
    course.axis("off")
    times, values = [p[0] for p in series.points], [p[1] for p in series.points]
    course.fill_between(times, values, color=ink, alpha=0.25, linewidth=0)
    course.plot(times, values, color=ink, linewidth=1)
    course.set(xlim=(page.window.start, page.window.end), ylim=(0, max([*values, 1e-12]) * 1.1))


def _reduced(series: Series, panel: Panel) -> tuple[float, str]:
    """The value that the panel's calculation takes, and its words or mapped text."""
    last = "last" in panel.options["reduceOptions"]["calcs"]
    value = series.last if last else series.points[-1][1]
    if not math.isnan(value):
        settings = panel.field(series.name)
        return value, units.words(value, str(settings["unit"]), settings.get("decimals"))
    mapped = [m["options"] for m in panel.defaults["mappings"] if m["type"] == "special"]
    return value, next(m["result"]["text"] for m in mapped if m["match"] == "nan")


def timeline(canvas: Canvas, box: Box, answer: Answer, page: Page) -> None:
    """Draw one band per series, colored by its value mappings."""
    series = answer.data.series
    states = answer.panel.defaults["mappings"][0]["options"]
    names = geometry.axis_width([one.name for one in series], box.w)
    axes = canvas.axes(box.inside(names, 8, 8, geometry.AXIS_BELOW + _PAGES))
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
    unit = str(answer.panel.defaults["unit"])
    labels = [_edge(float(one.labels["le"]), unit) for one in edges]
    with_scale = bool(answer.panel.options.get("legend", {}).get("show", True))
    height = geometry.heatmap_height(box.h, with_scale=with_scale)
    left = geometry.axis_width(labels, box.w)
    axes = canvas.axes(box.inside(left, 8, 8, box.h - height + geometry.AXIS_BELOW))
    axes.pcolormesh(
        times, range(len(counts)), counts, cmap=_HEAT, norm=PowerNorm(0.5), shading="nearest"
    )
    every = geometry.heatmap_every(len(labels), height)
    axes.set_yticks(range(0, len(labels), every), labels[::every])
    axes.set_ylim(-0.5, len(labels) - 0.5)
    chart.time_axis(axes, page)
    if with_scale:
        _colors_of_scale(canvas, box, max((max(row) for row in counts if row), default=0.0))


def _edge(value: float, unit: str) -> str:
    return units.words(value, unit) if math.isfinite(value) else "Inf"


def _colors_of_scale(canvas: Canvas, box: Box, most: float) -> None:
    left, y = box.x + 25, box.y + box.h - geometry.SCALE / 2
    for index in range(60):
        canvas.rectangle(Box(left + 5 * index, y - 8, 5, 6), to_hex(_HEAT(index / 60)))
    for at, words in ((0, "0"), (300, units.words(most, "short"))):
        canvas.text(left + at, y + 8, words, size=points(inter.SMALL), ink=DIM, align="center")


DRAWN: dict[str, Callable[[Canvas, Box, Answer, Page], None]] = {
    "timeseries": chart.draw,
    "stat": stat,
    "table": grid.table,
    "state-timeline": timeline,
    "heatmap": heatmap,
    "logs": lines.log_lines,
    "traces": lines.trace,
    "text": lines.words,
}
"""How each of Grafana's panel types is drawn."""
