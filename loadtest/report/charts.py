"""Charts as inline SVG, in the page's own ink: over the load, and over time."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from grafana.pictures import units
from grafana.pictures.canvas import Axes
from loadtest.report.figures import Figures
from loadtest.report.markup import Safe, html, tag

INK = "#010203"
"""What is drawn in it takes the page's text color."""
_BLUE, _ORANGE, _GREEN = "#4a86e8", "#d9730d", "#2e9e5b"
_QUANTILES = (("p50", "-"), ("p95", "--"), ("p99", ":"))
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class Point:
    """Figures at a place of the x axis, and how many requests per second were due there."""

    x: float
    offered: float
    figures: Figures


@dataclass(frozen=True)
class Curve:
    """A line of a chart; None is a gap."""

    name: str
    values: Sequence[float | None]
    color: str
    dashes: str = "-"


def charts(points: Sequence[Point], x: str) -> list[Safe]:
    """Latencies, goodput and cost over `x`, the axis' title; only those that have values."""
    made = (
        _chart("Time to first token", x, "s", points, _latency(points, "ttft", _BLUE)),
        _chart(
            "End to end, of ok answers", x, "s", points, _latency(points, "end_to_end", _ORANGE)
        ),
        _chart("Requests: due, and inside every objective", x, "reqps", points, _goodput(points)),
        _chart("Cost per 1,000 good output tokens", x, "currency:µ$", points, _cost(points)),
    )
    return [each for each in made if each]


def _latency(points: Sequence[Point], name: str, color: str) -> list[Curve]:
    spreads = [point.figures.latencies[name] for point in points]
    return [
        Curve(
            which,
            [None if each is None else getattr(each, which) for each in spreads],
            color,
            dashes,
        )
        for which, dashes in _QUANTILES
    ]


def _goodput(points: Sequence[Point]) -> list[Curve]:
    good = [point.figures.per_second(point.figures.good) for point in points]
    return [
        Curve("due", [point.offered for point in points], INK, "--"),
        Curve("good", good, _GREEN),
    ]


def _cost(points: Sequence[Point]) -> list[Curve]:
    costs = [point.figures.microdollars_per_1k_good_tokens for point in points]
    return [Curve("cost", costs, _BLUE)]


def _chart(
    title: str, x: str, unit: str, points: Sequence[Point], curves: Sequence[Curve]
) -> Safe | None:
    if not any(value is not None for curve in curves for value in curve.values):
        return None
    places = [point.x for point in points]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{title} {x}"}):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes: Axes = figure.add_subplot()
        for curve in curves:
            _plot(axes, places, curve)
        _dress(axes, x, unit, curves, is_log=unit == "s")
        raw = StringIO()
        figure.savefig(raw, format="svg", transparent=True, metadata=_NO_METADATA)
    caption = tag("figcaption", title)
    return tag("figure", caption, inline(raw.getvalue(), f"{title} over {x}"))


def _plot(axes: Axes, places: Sequence[float], curve: Curve) -> None:
    pairs = sorted(zip(places, curve.values, strict=True), key=lambda pair: pair[0])
    values = [math.nan if value is None else value for _, value in pairs]
    # Stages may go up and down again: points at one rate are no line.
    dashes = curve.dashes if len(set(places)) == len(places) else ""
    xs = [place for place, _ in pairs]
    axes.plot(xs, values, dashes, marker="o", ms=3, color=curve.color, label=curve.name)


def _dress(axes: Axes, x: str, unit: str, curves: Sequence[Curve], is_log: bool) -> None:
    positive = any(value for curve in curves for value in curve.values)
    if is_log and positive:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(_worded(unit)))
    axes.set_xlabel(x, color=INK)
    axes.tick_params(colors=INK, which="both", labelsize=8)
    axes.grid(visible=True, color=INK, alpha=0.15, linewidth=0.7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8, ncols=3, loc="best")


def _worded(unit: str) -> Callable[[float, int], str]:
    return lambda value, _: units.tick(value, unit).replace("$", r"\$")


def inline(svg: str, about: str) -> Safe:
    """A drawing as part of a page: no prolog, no size, only ids that it refers to itself."""
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg[svg.index("<svg") :])
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"(<svg[^>]*?) width=\"[^\"]*\"", r"\1", svg, count=1)
    svg = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", svg, count=1)
    svg = svg.replace(INK, "currentColor")
    return Safe(svg.replace("<svg", f'<svg role="img" aria-label="{html(about)}"', 1))
