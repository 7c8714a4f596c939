"""Whom a picture asks: Prometheus as Grafana asks it, logs and traces through `stack.stores`."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from grafana.pictures.board import Json
from stack import settings
from stack.http import Unanswered, ask
from stack.stores import running
from stack.stores.protocol import LogStore, StoreError, TraceStore, Window

REPO = Path(__file__).parents[2]


@cache
def _running() -> running.Stores:
    return running.stores(settings.load(REPO))


@dataclass
class Stores:
    """The three stores, by default those that run; `seconds` holds how long each query took."""

    prometheus: str = os.environ.get("PROMETHEUS_URL", "http://127.0.0.1:9090")
    logs: LogStore = field(default_factory=lambda: _running().logs)
    traces: TraceStore = field(default_factory=lambda: _running().traces)
    seconds: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def timed(self, asked: str) -> Iterator[None]:
        """Note how long the query or question takes, refused ones as well."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds.append((asked, time.perf_counter() - start))

    def _get(self, path: str, query: str, **parameters: float) -> Any:
        url = f"{self.prometheus}/api/v1/{path}?{urlencode({'query': query, **parameters})}"
        try:
            with self.timed(query):
                return json.loads(ask(url))["data"]
        except Unanswered as error:
            hint = "" if error.status else ": run `make up`"
            raise StoreError(f"Prometheus: {error}{hint}") from error

    def prometheus_range(self, query: str, window: Window, step: float) -> list[Json]:
        """The series of a range query, at multiples of the step as Grafana aligns them."""
        start, end = (int(at // step) * step for at in (window.start, window.end))
        return list(self._get("query_range", query, start=start, end=end, step=step)["result"])

    def prometheus_instant(self, query: str, window: Window) -> list[Json]:
        """The samples of an instant query at the end of the window."""
        return list(self._get("query", query, time=window.end)["result"])

    def exemplars(self, query: str, window: Window) -> list[Json]:
        """The exemplars of the series that a query reads."""
        found = self._get("query_exemplars", query, start=window.start, end=window.end)
        return [exemplar for series in found for exemplar in series["exemplars"]]
