"""Values as Grafana words them: about three digits, scaled by the panel's unit."""

import math
import re
from collections.abc import Callable

_SECONDS = (
    (1e-6, 1e-9, "ns"),
    (1e-3, 1e-6, "µs"),
    (1.0, 1e-3, "ms"),
    (60.0, 1.0, "s"),
    (3600.0, 60.0, "min"),
    (86400.0, 3600.0, "hour"),
    (604800.0, 86400.0, "day"),
    (31536000.0, 604800.0, "week"),
    (math.inf, 31556900.0, "year"),
)
_ZEROS = re.compile(r"\.0+(?=\D|$)|(\.\d*[1-9])0+(?=\D|$)")
_PLURAL = {"min", "hour", "day", "week", "year"}
_DECIMAL = ("", "k", "M", "G", "T", "P")
_AMOUNT = ("", "K", "M", "B", "T")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
_COUNT = ("", " K", " Mil", " Bil", " Tri")


def _number(value: float, decimals: int | None = None) -> str:
    if decimals is None:
        decimals = _decimals(value)
    text = f"{value:.{decimals}f}"
    return f"{value:.0f}" if value == 0 else text


def _decimals(value: float) -> int:
    """Decimals that leave about three digits, none for a whole number."""
    if value == 0 or not math.isfinite(value) or value % 1 == 0:
        return 0
    return max(2 - math.floor(math.log10(abs(value))), 0)


def _seconds(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    scale, name = next((scale, name) for top, scale, name in _SECONDS if abs(value) < top)
    plural = "s" if name in _PLURAL and abs(value / scale) > 1 else ""
    return f"{_number(value / scale, decimals)} {name}{plural}"


def _scaled(
    names: tuple[str, ...], base: float, unit: str, space: str = " "
) -> Callable[[float, int | None], str]:
    def words(value: float, decimals: int | None) -> str:
        step, left = 0, value
        while abs(left) >= base and step < len(names) - 1:
            step, left = step + 1, left / base
        return f"{_number(left, decimals)}{space}{names[step]}{unit}".rstrip()

    return words


def _money(sign: str) -> Callable[[float, int | None], str]:
    amount = _scaled(_AMOUNT, 1000, "", space="")
    return lambda value, decimals: f"{sign}{amount(value, decimals)}"


def _percent(value: float, decimals: int | None) -> str:
    return f"{_number(value * 100, decimals)}%"


_KNOWN: dict[str, Callable[[float, int | None], str]] = {
    "none": _number,
    "short": _scaled(_COUNT, 1000, "", space=""),
    "s": _seconds,
    "ms": lambda value, decimals: _seconds(value / 1000, decimals),
    "ns": lambda value, decimals: _seconds(value / 1e9, decimals),
    "percentunit": _percent,
    "percent": lambda value, decimals: _percent(value / 100, decimals),
    "reqps": _scaled(_AMOUNT, 1000, " req/s", space=""),
    "ops": _scaled(_AMOUNT, 1000, " ops/s", space=""),
    "bytes": _scaled(_BINARY, 1024, "B"),
    "Bps": _scaled(_DECIMAL, 1000, "B/s"),
    "watt": _scaled(_DECIMAL, 1000, "W"),
    "celsius": lambda value, decimals: f"{_number(value, decimals)} °C",
    "currencyUSD": _money("$"),
    "string": lambda value, decimals: _number(value, decimals),
}


def known(unit: str) -> bool:
    """Tell whether Grafana has the unit and this module draws it as Grafana would."""
    return unit in _KNOWN or unit.partition(":")[0] in {"suffix", "count", "currency"}


def words(value: float, unit: str, decimals: int | None = None) -> str:
    """Word `value`; raises KeyError for an unknown unit."""
    if math.isnan(value):
        return "NaN"
    kind, _, rest = unit.partition(":")
    if kind == "suffix" and rest:
        return f"{_number(value, decimals)}{rest}"
    if kind == "count" and rest:
        return _scaled(_AMOUNT, 1000, f" {rest}", space="")(value, decimals)
    if kind == "currency" and rest:
        return _money(rest)(value, decimals)
    return _KNOWN[unit](value, decimals)


def tick(value: float, unit: str) -> str:
    """Word a label of a linear axis, which has no zeros at its end."""
    return _ZEROS.sub(r"\1", words(value, unit))
