"""Variables and macros of a query, filled in as Grafana fills them in."""

import re
from collections.abc import Mapping

from grafana.pictures.board import Board, Json
from stack.stores.protocol import Window

SCRAPE_SECONDS = 5.0
"""The data source's timeInterval in provisioning/datasources/datasources.yaml."""
BOARD_PIXELS = 1600
_NAME = re.compile(r"\$\{([a-z_]\w*)(?::\w+)?\}|\$([a-z_]\w*)")
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600)


def duration(text: str) -> float:
    """Seconds of a Grafana duration such as 15s or 1m."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def step(window: Window, width: int, least: str | None = None) -> float:
    """$__interval in seconds for a panel of `width` grid columns, never below the least step."""
    points = BOARD_PIXELS * width / 24
    floor = duration(least) if least else SCRAPE_SECONDS
    wanted = max(window.seconds / points, floor)
    return next((float(s) for s in _STEPS if s >= wanted), float(_STEPS[-1]))


def macros(window: Window, interval: float, least: str | None = None) -> dict[str, str]:
    """The built-in variables: $__rate_interval is at least four scrapes (or least steps) long."""
    scrape = duration(least) if least else SCRAPE_SECONDS
    return {
        "__interval": f"{interval:.0f}s",
        "__rate_interval": f"{max(interval + scrape, 4 * scrape):.0f}s",
        "__range": f"{window.seconds:.0f}s",
        "__range_s": f"{window.seconds:.0f}",
        "__auto": f"{interval:.0f}s",
    }


def defaults(board: Board) -> dict[str, str]:
    """The values that the variables have when the board opens."""
    return {variable["name"]: _initial(variable) for variable in board.variables}


def _initial(variable: Json) -> str:
    value = variable.get("current", {}).get("value", "")
    value = value[0] if isinstance(value, list) and value else value
    return str(variable.get("allValue", ".*")) if value == "$__all" else str(value or "")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every $name and ${name}; raises KeyError naming a variable nobody defines."""
    return _NAME.sub(lambda match: values[match[1] or match[2]], text)


def names(text: str) -> set[str]:
    """The variables and macros that a text uses."""
    return {match[1] or match[2] for match in _NAME.finditer(text)}
