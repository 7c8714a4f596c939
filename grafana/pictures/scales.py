"""Axes of values as Grafana (uPlot 1.6) ranges and labels them.

`grafana-ui/uPlot/config/UPlotScaleBuilder.ts` and `UPlotAxisBuilder.ts`: a logarithmic axis ends at
whole powers of ten and knows no soft maximum; a linear one ends at its soft maximum while the data
stay below; and one that has neither goes to 100 while all is zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CLOSE, APART, SMALL_PLOT = 15, 30, 150
"""Least pixels between two labels: in plots at most `SMALL_PLOT` high, and in others."""
ALL_ZERO = 100.0
_STEPS = (1, 2, 2.5, 5)


@dataclass(frozen=True)
class Scale:
    """Where an axis begins and ends, its labelled values and its other lines."""

    low: float
    high: float
    labels: list[float]
    lines: list[float]


def linear(
    top: float,
    height: float,
    *,
    low: float = 0.0,
    soft: float | None = None,
    hard: float | None = None,
    binary: bool = False,
) -> Scale:
    """Return the scale of a linear axis `height` pixels high whose largest value is `top`."""
    high = _top(top, low, soft) if hard is None else hard
    least = (high - low) * _space(height) / max(height, 1)
    step = _binary_step(least) if binary else _step(least)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    labels = [n * step for n in range(first, last + 1)]
    return Scale(low, high, labels, labels)


def _top(top: float, low: float, soft: float | None) -> float:
    if soft is not None and top <= soft:
        return soft
    if top <= low:
        return ALL_ZERO
    delta = top - low
    fine = 10.0 ** math.floor(math.log10(delta)) / 10
    return math.ceil((top + delta * 0.1) / fine - 1e-9) * fine


def _space(height: float) -> int:
    return CLOSE if height <= SMALL_PLOT else APART


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    steps = (power * times * step for times in (1, 10) for step in _STEPS)
    return next(step for step in steps if step >= least * (1 - 1e-9))


def _binary_step(least: float) -> float:
    return 2.0 ** math.ceil(math.log2(max(least, 1.0)))


def logarithmic(least: float, most: float, height: float) -> Scale:
    """Return the scale of a logarithmic axis; both ends of the data are above zero."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    if first == last:
        first, last = first - 1, last + 1
    magnitude = height / (last - first)
    kept = _labelled(magnitude, _space(height))
    every = 1 if len(kept) > 1 else max(math.ceil(_space(height) / magnitude), 1)
    lines = [n * 10.0**power for power in range(first, last) for n in range(1, 10)]
    lines.append(10.0**last)
    powers = {power for power in range(first, last + 1) if (last - power) % every == 0}
    labels = [n * 10.0**power for power in sorted(powers) for n in kept if power < last or n == 1]
    return Scale(10.0**first, 10.0**last, labels, lines)


def _labelled(magnitude: float, space: int) -> Sequence[int]:
    """The leading digits that have room for a label."""
    for beginning, digits in ((9, tuple(range(1, 10))), (7, (1, 2, 3, 5, 7)), (5, (1, 2, 5))):
        if magnitude * math.log10(10 / beginning) >= space:
            return digits
    return (1,)
