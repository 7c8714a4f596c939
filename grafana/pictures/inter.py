"""How wide Grafana's letters are: advances of Inter in thousandths of the font's size.

Read from the font that Grafana 12.2 ships (public/fonts/inter); each letter is followed by 0.15
px, the theme's letter spacing (packages/grafana-data/src/themes/createTypography.ts).
"""

import string
from functools import cache

BODY, SMALL = 14, 12
"""Pixels: tables and titles; legends, axes and log lines."""
MONO = 7.35
"""Pixels of a letter of a log line: Roboto Mono's 0.6 of 12 px, and the spacing."""
_SPACING = 0.15
_DIGITS = (631, 407, 610, 618, 646, 608, 620, 566, 619, 620)
_CAPITALS = (
    690, 654, 730, 722, 601, 590, 746, 743, 269, 571, 672, 565, 903,
    753, 765, 639, 765, 644, 642, 646, 744, 690, 985, 682, 679, 629,
)  # fmt: skip
_SMALL_LETTERS = (
    562, 612, 571, 612, 583, 370, 613, 591, 242, 242, 549, 242, 876,
    591, 600, 612, 612, 376, 528, 327, 591, 562, 818, 546, 562, 552,
)  # fmt: skip
_SIGNS = {
    " ": 281, "$": 642, "%": 982, "(": 365, ")": 365, "+": 662, ",": 288, "-": 460, ".": 288,
    "/": 360, ":": 288, "=": 662, "<": 662, ">": 662, "_": 456, "·": 288, "°": 456, "µ": 586,
    "…": 864, "€": 667, "≤": 662,
}  # fmt: skip
_ADVANCES = {
    **dict(zip(string.digits, _DIGITS, strict=True)),
    **dict(zip(string.ascii_uppercase, _CAPITALS, strict=True)),
    **dict(zip(string.ascii_lowercase, _SMALL_LETTERS, strict=True)),
    **_SIGNS,
}
_UNKNOWN = 650
_MEDIUM = 1.014
"""How much wider Inter Medium is, which headings and titles are set in."""


@cache
def width(words: str, size: float = BODY, *, medium: bool = False) -> float:
    """Return the pixels of one line."""
    advances = sum(_ADVANCES.get(letter, _UNKNOWN) for letter in words) / 1000 * size
    return advances * (_MEDIUM if medium else 1.0) + _SPACING * len(words)


def cut(words: str, pixels: float, size: float = BODY) -> str:
    """Cut a line to a width, with an ellipsis where something is missing."""
    if width(words, size) <= pixels:
        return words
    kept = words
    while kept and width(kept + "…", size) > pixels:
        kept = kept[:-1]
    return kept + "…"
