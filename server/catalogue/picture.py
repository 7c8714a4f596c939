"""docs/images/quantiles.svg: the p99 that each grid reports, against the true one."""

from collections.abc import Callable, Sequence
from math import log10

from prometheus_client import Histogram

from server.catalogue.grids import REQUEST_SECONDS
from server.catalogue.quantiles import (
    bucket_counts,
    exact_quantile,
    histogram_quantile,
    lognormal,
)

VLLM_DEFAULT = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
    120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
"""vLLM 0.32.0's own edges for request latency."""
CLIENT_DEFAULT: tuple[float, ...] = tuple(Histogram.DEFAULT_BUCKETS[:-1])
"""prometheus_client's, which end at 10 s."""
SIGMA = 0.75
GRIDS = (
    ("Python client's default buckets", CLIENT_DEFAULT, "#d62728"),
    ("vLLM's default buckets", VLLM_DEFAULT, "#ff7f0e"),
    ("this project's grid", REQUEST_SECONDS, "#1f77b4"),
)
MEDIANS = tuple(0.03 * 1.25**step for step in range(39))
WIDTH, HEIGHT, LEFT, TOP, SIDE = 790, 560, 80, 60, 440
LOW, HIGH = 0.1, 1000.0
TICKS = (0.1, 1.0, 10.0, 100.0, 1000.0)


def points(edges: Sequence[float]) -> list[tuple[float, float]]:
    """True and reported p99 in seconds for lognormal loads, from fast to slow."""
    loads = [lognormal(median, SIGMA) for median in MEDIANS]
    return [
        (
            exact_quantile(0.99, load),
            histogram_quantile(0.99, edges, bucket_counts(edges, load)),
        )
        for load in loads
    ]


def _scale(start: float, direction: int) -> Callable[[float], float]:
    span = log10(HIGH / LOW)
    return lambda seconds: start + direction * SIDE * log10(seconds / LOW) / span


_X, _Y = _scale(LEFT, 1), _scale(TOP + SIDE, -1)


def svg() -> str:
    """The picture, the same bytes whenever the grids are the same."""
    return "\n".join([_head(), *_axes(), *_curves(), "</svg>"]) + "\n"


def _head() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + _text(LEFT, 28, "The p99 that a board shows, against the true one", size=18)
    )


def _axes() -> list[str]:
    lines = []
    for tick in TICKS:
        x, y = _X(tick), _Y(tick)
        lines += [
            f'<path d="M{x:.1f} {TOP}V{TOP + SIDE}M{LEFT} {y:.1f}H{LEFT + SIDE}" stroke="#ddd"/>',
            _text(x, TOP + SIDE + 18, f"{tick:g} s", anchor="middle"),
            _text(LEFT - 8, y + 4, f"{tick:g} s", anchor="end"),
        ]
    true = f"M{_X(LOW):.1f} {_Y(LOW):.1f}L{_X(HIGH):.1f} {_Y(HIGH):.1f}"
    lines.append(f'<path d="{true}" stroke="#888" stroke-dasharray="4 4" fill="none"/>')
    lines.append(_text(LEFT + SIDE / 2, TOP + SIDE + 40, "true p99", anchor="middle"))
    lines.append(_text(LEFT, TOP - 10, "reported p99"))
    return lines


def _curves() -> list[str]:
    lines = [_text(LEFT + SIDE + 20, TOP + 20, "dashed: reported = true", fill="#666")]
    for place, (name, edges, colour) in enumerate(GRIDS):
        drawn = points(edges)
        path = "L".join(f"{_X(true):.1f} {_Y(told):.1f}" for true, told in drawn)
        worst = max(max(told / true, true / told) for true, told in drawn)
        y = TOP + 60 + 50 * place
        lines += [
            f'<path d="M{path}" stroke="{colour}" stroke-width="2.5" fill="none"/>',
            _text(LEFT + SIDE + 20, y, name, fill=colour),
            _text(LEFT + SIDE + 20, y + 18, f"at worst off by a factor {worst:.2f}", fill="#666"),
        ]
    return lines


def _text(
    x: float, y: float, text: str, *, size: int = 13, anchor: str = "start", fill: str = "#222"
) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {shape}>{text}</text>"
