"""A page measured in pixels from its top left, in Grafana's dark colors."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grafana.pictures import inter

Axes: TypeAlias = Any
"""matplotlib's axes; its own types change between versions."""

PAGE, PANEL, EDGE = "#111217", "#181b1f", "#2a2d33"
TEXT, DIM, GRID, LINK = "#d8d9dd", "#8e9099", "#26292f", "#6e9fff"
SURFACES = (PAGE, PANEL, EDGE, TEXT, DIM, GRID, LINK)
COLORS = {
    "green": "#73bf69",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "dark-blue": "#1f60c4",
    "super-light-blue": "#c0d8ff",
    "dark-green": "#37872d",
    "dark-red": "#c4162a",
    "light-red": "#ff7383",
    "purple": "#b877d9",
    "text": TEXT,
}
PALETTE = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#8ab8ff", "#ff7383",
    "#96d98d", "#ffee52", "#ca95e5", "#3274d9", "#e0b400",
)  # fmt: skip
"""The order in which lines without a color of their own are colored."""
DPI = 100
_DEJAVU = 0.94
"""The size of DejaVu Sans that is as wide as Inter, to the size of Inter."""


def color(name: str) -> str:
    """Return the hex value of a Grafana color name; a hex value stays itself."""
    return COLORS.get(name, name if name.startswith("#") else TEXT)


def shade(name: str, index: int) -> str:
    """Return the color of one of several series in shades of a color: it, lighter, darker, ..."""
    base = to_rgb(color(name))
    toward = 1.0 if index % 2 else 0.0
    share = 0.1 * ((index + 1) // 2 % 6)
    red, green, blue = (part + (toward - part) * share for part in base)
    return to_hex((red, green, blue))


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    w: float
    h: float

    def inside(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """Return the box less a margin on each side."""
        return Box(self.x + left, self.y + top, self.w - left - right, self.h - top - bottom)


class Canvas:
    """A figure of `width` x `height` pixels to place text, rectangles and axes on."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAGE)
        self._layer: Axes = self.figure.add_axes((0, 0, 1, 1))
        self._layer.set(xlim=(0, width), ylim=(height, 0))
        self._layer.axis("off")

    def rectangle(self, box: Box, fill: str, edge: str = "none", alpha: float = 1.0) -> None:
        """Fill a rectangle."""
        shape = Rectangle((box.x, box.y), box.w, box.h, fc=fill, ec=edge, lw=0.8, alpha=alpha)
        self._layer.add_patch(shape)

    def cover(self, box: Box) -> None:
        """Hide what is drawn below a note."""
        self.rectangle(box, PANEL)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 8,
        ink: str = TEXT,
        align: str = "left",
        weight: str = "normal",
        mono: bool = False,
    ) -> None:
        """Write one line, its middle at `y`; the size is in points."""
        family = "DejaVu Sans Mono" if mono else "DejaVu Sans"
        self._layer.text(
            x, y, words.replace("$", r"\$"), fontsize=size, color=ink, ha=align,
            va="center_baseline", weight=weight, family=family,
        )  # fmt: skip

    def _position(self, box: Box) -> tuple[float, float, float, float]:
        return (
            box.x / self.width,
            1 - (box.y + box.h) / self.height,
            box.w / self.width,
            box.h / self.height,
        )

    def axes(self, box: Box) -> Axes:
        """Return axes whose plot area is the box."""
        made: Axes = self.figure.add_axes(self._position(box))
        made.set_facecolor("none")
        made.tick_params(colors=DIM, labelsize=points(inter.SMALL), length=0, pad=4)
        made.grid(visible=True, color=GRID, linewidth=0.7)
        made.set_axisbelow(True)
        for spine in made.spines.values():
            spine.set_visible(False)
        return made


def points(pixels: float) -> float:
    """Return the size in points whose letters are as wide as Grafana's of so many pixels."""
    return pixels * _DEJAVU * 72 / DPI


def fit(words: str, pixels: float, size: float = 8) -> str:
    """Cut a text of a size in points to a width, with an ellipsis where something is missing."""
    return inter.cut(words, pixels, size / points(1))
