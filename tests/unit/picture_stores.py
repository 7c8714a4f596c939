"""Stores for pictures: a Prometheus that answers every query, logs and traces held in memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from grafana.pictures.stores import Stores
from stack.stores.protocol import (
    FoundTrace,
    LogRecord,
    LogStore,
    NotFound,
    Points,
    Scope,
    Span,
    TraceStore,
    Window,
)
from tests.unit.listening import listening

NOW = 1_795_470_000.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
MATCH_ALL = '{__name__=~"'


class Prometheus(BaseHTTPRequestHandler):
    """Every query has an answer but those that name `silent`, and `illegal` is refused."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)["query"][0]
        self.send_response(400 if "illegal" in query else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": _answer(url.path, query)}).encode())

    def log_message(self, *arguments: object) -> None:
        pass


def _answer(path: str, query: str) -> Any:
    if path.endswith("query_exemplars"):
        return []
    metric = {"le": "1.0", "model": "m", "job": "j", "tenant": "t"}
    if "silent" in query or MATCH_ALL in query:
        return {"result": []}
    if path.endswith("query_range"):
        return {"result": [{"metric": metric, "values": [[NOW - 30, "1"], [NOW - 15, "1"]]}]}
    return {"result": [{"metric": metric, "value": [NOW, "2"]}]}


def finished(seconds: float, trace: str = TRACE, **more: Any) -> LogRecord:
    fields = {"event": "request_finished", "trace_id": trace, "duration_seconds": seconds}
    fields |= {"cost_microdollars": 7.5, "outcome": "ok", "tenant": "acme", "stream": True}
    return LogRecord(int((NOW - seconds) * 1e9), "request_finished ok", {**fields, **more})


def span(name: str, own: str, parent: str, start: int, end: int) -> Span:
    return Span(TRACE, own, parent, name, "internal", "llm-server", start, end, "unset", {})


SPANS = [
    span("decode", "c", "a", 2_000_000_000, 5_000_000_000),
    span("queue", "b", "a", 1_000_000_000, 2_000_000_000),
    span("POST /v1", "a", "caller", 1_000_000_000, 5_000_000_000),
]


@dataclass
class Logs(LogStore):
    """A LogStore that notes what it was asked."""

    name: str = "logs"
    held: list[LogRecord] = field(default_factory=lambda: [finished(9.5), finished(3.0, "f" * 32)])
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def trace_records(self, trace_id: str, window: Window) -> list[LogRecord]:
        self.asked.append(("trace_records", trace_id))
        return [LogRecord(1, "the first", {}), LogRecord(2, "the last", {})]

    def worst_requests(
        self, name: str, above: float, scope: Scope, window: Window, most: int
    ) -> list[LogRecord]:
        self.asked.append(("worst_requests", name, above, scope, window, most))
        return self.held

    def newest_requests(self, scope: Scope, window: Window, most: int) -> list[LogRecord]:
        self.asked.append(("newest_requests", scope, most))
        return self.held

    def tenant_quantile(
        self, name: str, q: float, scope: Scope, window: Window, step: float
    ) -> dict[str, Points]:
        self.asked.append(("tenant_quantile", name, q, scope, step))
        return {"acme": [(NOW - 60, 1.5), (NOW, float("nan"))], "gone": []}


@dataclass
class Traces(TraceStore):
    """A TraceStore that notes what it was asked."""

    name: str = "traces"
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def trace(self, trace_id: str) -> list[Span]:
        self.asked.append(("trace", trace_id))
        if trace_id == "0" * 32:
            raise NotFound(f"no trace {trace_id}")
        return SPANS

    def newest_requests(
        self, above: float, scope: Scope, window: Window, most: int
    ) -> list[FoundTrace]:
        self.asked.append(("newest_requests", above, scope, most))
        shown = {"llm.outcome": "ok", "llm.cost.microdollars": 7.5, "llm.tenant": "acme"}
        return [FoundTrace(TRACE, int(NOW * 1e9), 9.5, shown)]


@contextmanager
def answering() -> Iterator[Stores]:
    """All three for the block."""
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)) as url:
        yield Stores(prometheus=url, logs=Logs(), traces=Traces())
