"""Every panel's queries as a browser sends them to Grafana, filled in as the boards open."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from grafana.pictures import expand
from grafana.pictures.board import Board, Json, Panel, load
from stack.stores.protocol import Window

PIXELS = 800


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: Board
    panel: Panel
    target: Json

    def __str__(self) -> str:
        return f"{self.board.uid}: {self.panel.title or self.panel.kind} {self.target['refId']}"

    @property
    def source(self) -> str:
        """The uid of the data source that is asked."""
        return str(self.target["datasource"]["uid"])

    @property
    def is_search(self) -> bool:
        """True for a TraceQL search, which Grafana's backend cannot do: the page asks Tempo."""
        return self.source == "tempo" and self.panel.kind != "traces"

    def _filled(self, window: Window, trace: str) -> Json:
        """The target with its variables replaced; `trace` is what the reader chose to see."""
        least = self.target.get("interval") or None
        interval = expand.step(window, self.panel.grid[2], least)
        values = {**expand.defaults(self.board), **expand.macros(window, interval, least)}
        chosen = {**values, "trace": trace, "no_trace": ""}
        filled = {key: _fill(value, chosen) for key, value in self.target.items()}
        return {**filled, "intervalMs": int(interval * 1000), "maxDataPoints": PIXELS}

    def body(self, window: Window, trace: str) -> Json:
        """The body of POST /api/ds/query."""
        query = self._filled(window, trace)
        if self.source == "tempo":
            # The page turns a query that is nothing but an id into this.
            query["queryType"] = "traceId"
        start, end = (str(int(moment * 1000)) for moment in (window.start, window.end))
        return {"from": start, "to": end, "queries": [query]}

    def search(self, window: Window, trace: str) -> str:
        """The path of a TraceQL search, through the data source's proxy."""
        query = self._filled(window, trace)
        words = {"q": query["query"], "limit": query["limit"]}
        span = {"start": int(window.start), "end": int(window.end)}
        return f"/api/datasources/proxy/uid/tempo/api/search?{urlencode({**words, **span})}"


def _fill(value: object, values: Mapping[str, str]) -> object:
    return expand.fill(value, values) if isinstance(value, str) else value


def every() -> list[Query]:
    """All queries of all boards."""
    return [
        Query(board, panel, target)
        for board in load()
        for panel in board.panels
        for target in panel.targets
    ]
