"""The values that a board's variables have, those that Prometheus tells included."""

import re
from collections.abc import Mapping

from grafana.pictures import expand
from grafana.pictures.board import Board, Json
from grafana.pictures.stores import Stores
from stack.stores.protocol import Window

_TOLD = re.compile(r"query_result\((.+)\)")


def of_board(
    stores: Stores, board: Board, window: Window, chosen: Mapping[str, str]
) -> dict[str, str]:
    """Every variable's value: the chosen, else the board's own; what Prometheus tells, of now."""
    values = expand.defaults(board)
    values |= {name: value for name, value in chosen.items() if name in values}
    for variable in board.variables:
        if variable["name"] not in chosen and (query := told(variable)):
            asked = expand.fill(query, values | expand.macros(window, expand.SCRAPE_SECONDS))
            found = stores.prometheus_instant(asked, window)
            values[variable["name"]] = _first_option(variable, found)
    return values


def told(variable: Json) -> str:
    """The PromQL whose answer is the variable's value, empty for another kind of variable."""
    match = _TOLD.fullmatch(str(variable.get("query", "")))
    return match[1] if match and variable.get("type") == "query" else ""


def _first_option(variable: Json, found: list[Json]) -> str:
    pattern = re.compile(str(variable["regex"]).strip("/"))
    matches = (pattern.search(_worded(sample)) for sample in found)
    return next((match[1] for match in matches if match), "")


def _worded(sample: Json) -> str:
    """A sample as Grafana words it for the variable's regular expression."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample["metric"].items())
    at, value = sample["value"]
    return f"{{{labels}}} {value} {float(at) * 1000:.0f}"
