"""What Grafana draws otherwise than its JSON seems to say: each of these was on a board once."""

import re
from collections.abc import Iterator

from grafana.dashboards.colors import OUTCOMES
from grafana.pictures import expand, labels, values
from grafana.pictures.board import Board, Json, Panel

LEAST_REFRESH, HEAVY_REFRESH = 30, 60
"""Seconds: a refresh starts every panel again, those that have not answered yet included."""
HEAVY = {"llm-requests", "llm-cost", "llm-bill"}
FEW = 4
"""Steps that share one exemplar at least."""
BAD = {
    "aborted", "client_error", "corrupted", "dropped", "errors", "expired", "failed",
    "failures", "idle", "lost", "refused", "retried", "server_error", "stall", "timeout",
    "truncated", "turned", "waiting", "wasted",
}  # fmt: skip
"""Words of a name or a title that are no good news: never green, nor left to a palette."""
_BRIGHT = re.compile(r"text|white|#fff(?:fff)?", re.IGNORECASE)
LIMIT = "limit"
"""The refId of the constant query that is a limit's line on a logarithmic axis."""


def faults(board: Board) -> Iterator[str]:
    """Yield what Grafana draws otherwise, by panel."""
    yield from _refresh(board)
    stand_ins = _stand_ins(board)
    for panel in board.panels:
        for fault in _panel(panel, stand_ins):
            yield f"{panel.title}: {fault}"


def _refresh(board: Board) -> Iterator[str]:
    least = HEAVY_REFRESH if board.uid in HEAVY else LEAST_REFRESH
    every = str(board.raw.get("refresh") or "")
    if every and expand.duration(every) < least:
        yield f"refreshed every {every}, which starts slow panels again: {least}s at least"


def _panel(panel: Panel, stand_ins: dict[str, set[str]]) -> Iterator[str]:
    if panel.kind == "stat":
        yield from _number(panel)
    if panel.kind == "timeseries":
        yield from _axis(panel)
        yield from _colors(panel)
        if panel.options.get("legend", {}).get("calcs"):
            yield "its legend prints the names of calculations: names only"
    calculated = panel.options.get("reduceOptions", {}).get("calcs", [])
    if "lastNotNull" in [*calculated, *panel.options.get("legend", {}).get("calcs", [])]:
        yield "lastNotNull keeps a number after traffic has ended: last"
    yield from _transformations(panel)
    for target in panel.targets:
        yield from _empty(target, stand_ins)
        if target.get("exemplar") and target.get("intervalFactor", 1) < FEW:
            yield f"a dot at each step hides its lines: intervalFactor {FEW} or more"


def _axis(panel: Panel) -> Iterator[str]:
    custom, defaults = panel.custom, panel.defaults
    if custom.get("scaleDistribution", {}).get("type") != "log":
        if defaults.get("max") is None and custom.get("axisSoftMax") is None:
            yield "its axis goes to 100 while all is zero: give it a soft maximum"
        return
    drawn = custom.get("thresholdsStyle", {}).get("mode", "off") != "off"
    if drawn or custom.get("axisSoftMax") is not None:
        yield "a logarithmic axis does not go to a threshold: draw a constant query"
    for target in panel.targets:
        hide = panel.field(str(target.get("legendFormat")), LIMIT).get("custom.hideFrom", {})
        if target["refId"] == LIMIT and not (hide.get("legend") and hide.get("tooltip")):
            yield "its limit stands in the legend or in the tooltip"


def _transformations(panel: Panel) -> Iterator[str]:
    for step in panel.raw.get("transformations", []):
        without = step.get("options", {}).get("excludeByName") or {}
        if any(out and "time" in name.casefold() for name, out in without.items()):
            yield "excludeByName of a time takes every field of times: includeByName is enough"


def _stand_ins(board: Board) -> dict[str, set[str]]:
    """The boxes that may be empty, each with the variables that hold a text while it is."""
    boxes = {one["name"] for one in board.variables if one.get("type") == "textbox"}
    told = {one["name"]: expand.names(values.told(one)) for one in board.variables}
    return {box: {name for name, read in told.items() if box in read} for box in boxes}


def _empty(target: Json, stand_ins: dict[str, set[str]]) -> Iterator[str]:
    # An empty id is an error of a store of traces, and matches every line without one in Loki.
    used = expand.names(str(target.get("expr") or target.get("query") or ""))
    for box in used & stand_ins.keys():
        if not used & stand_ins[box]:
            yield f"query {target['refId']} asks with an empty ${box}: name what stands in for it"


def _number(panel: Panel) -> Iterator[str]:
    if panel.options.get("graphMode", "area") != "none":
        yield "a sparkline runs through its number: none"
    if panel.options.get("colorMode") != "background":
        return
    for mapping in panel.defaults.get("mappings", []):
        result = mapping["options"].get("result", {})
        if mapping["type"] == "special" and _BRIGHT.fullmatch(str(result.get("color", "text"))):
            yield f"{result.get('text')} is the brightest field of the page: transparent"


def _colors(panel: Panel) -> Iterator[str]:
    try:
        names = labels.names(panel)
    except labels.UnboundedError:
        return
    title = set(re.split(r"[,\s]+", panel.title.casefold()))
    for name in names:
        told = panel.field(name).get("color") or {}
        ink, words = str(told.get("fixedColor", "")), set(re.split(r"[:\s]+", name))
        meant = next((OUTCOMES[word] for word in OUTCOMES if word in words), "")
        if meant and ink != meant:
            yield f"{name} is {ink or 'of any color'}, on every other board {meant}"
            return
        if not meant and (words | title) & BAD and (not ink or "green" in ink):
            yield f"{name} may be green, which is what went well: give it a color"
            return
