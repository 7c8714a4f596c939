"""The three stores' HTTP interfaces, asked with the parameters that Grafana sends."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from grafana.pictures.board import Json
from grafana.pictures.expand import Window


class StoreError(Exception):
    """A store refused a query or did not answer; the text says which and why."""


@dataclass
class Stores:
    """Clients of Prometheus, Loki and Tempo; `seconds` holds how long each query took."""

    prometheus: str = os.environ.get("PROMETHEUS_URL", "http://127.0.0.1:9090")
    loki: str = os.environ.get("LOKI_URL", "http://127.0.0.1:3100")
    tempo: str = os.environ.get("TEMPO_URL", "http://127.0.0.1:3200")
    seconds: list[tuple[str, float]] = field(default_factory=list)
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def _get(self, url: str, asked: str, /, **parameters: str | float | int) -> Any:
        start = time.perf_counter()
        try:
            answer = self._client.get(url, params=parameters)
        except httpx.HTTPError as error:
            raise StoreError(f"{url} does not answer ({error!r}): run `make up`") from error
        self.seconds.append((asked, time.perf_counter() - start))
        if answer.is_error:
            raise StoreError(f"{url} refused the query: {answer.text.strip()[:300]}")
        return answer.json()

    def prometheus_range(self, query: str, window: Window, step: float) -> list[Json]:
        """The series of a range query, at multiples of the step as Grafana aligns them."""
        start, end = (int(at // step) * step for at in (window.start, window.end))
        url = f"{self.prometheus}/api/v1/query_range"
        answer = self._get(url, query, query=query, start=start, end=end, step=step)
        return list(answer["data"]["result"])

    def prometheus_instant(self, query: str, window: Window) -> list[Json]:
        """The samples of an instant query at the end of the window."""
        url = f"{self.prometheus}/api/v1/query"
        return list(self._get(url, query, query=query, time=window.end)["data"]["result"])

    def exemplars(self, query: str, window: Window) -> list[Json]:
        """The exemplars of the series that a query reads."""
        url = f"{self.prometheus}/api/v1/query_exemplars"
        answer = self._get(url, query, query=query, start=window.start, end=window.end)
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]

    def loki_range(self, query: str, window: Window, step: float, limit: int) -> Json:
        """The lines or series of a LogQL range query, newest first."""
        url = f"{self.loki}/loki/api/v1/query_range"
        times = {"start": f"{window.start:.3f}", "end": f"{window.end:.3f}"}
        answer = self._get(
            url, query, query=query, step=step, limit=limit, direction="backward", **times
        )
        return dict(answer["data"])

    def loki_instant(self, query: str, window: Window) -> list[Json]:
        """The samples of a LogQL metric query at the end of the window."""
        url = f"{self.loki}/loki/api/v1/query"
        answer = self._get(url, query, query=query, time=f"{window.end:.3f}")
        return list(answer["data"]["result"])

    def tempo_search(self, query: str, window: Window, limit: int, spans: int) -> list[Json]:
        """The traces that a TraceQL query finds."""
        url = f"{self.tempo}/api/search"
        times = {"start": int(window.start), "end": int(window.end) + 1}
        answer = self._get(url, query, q=query, limit=limit, spss=spans, **times)
        return list(answer.get("traces", []))

    def trace(self, trace_id: str) -> Json:
        """One trace as OTLP JSON."""
        return dict(self._get(f"{self.tempo}/api/traces/{trace_id}", trace_id))
