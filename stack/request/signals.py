"""Finds what one request left behind: its trace, its log lines, its exemplar."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from stack.http import get_json
from stack.stores.protocol import (
    Fields,
    LogRecord,
    LogStore,
    Span,
    StoreError,
    TraceStore,
    Window,
)

PROMETHEUS = "http://127.0.0.1:9090"
HISTOGRAM = "gen_ai_server_request_duration_seconds_bucket"
_MARGIN_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Exemplar:
    """One exemplar: the upper edge of its bucket, value in seconds, Unix time, trace id."""

    le: str
    value: float
    at: float
    trace_id: str


def poll(look: Callable[[], T | None], limit: float) -> T | None:
    """Call `look` every half second until it finds something or `limit` seconds have passed."""
    until = time.monotonic() + limit
    while (found := look()) is None and time.monotonic() < until:
        time.sleep(0.5)
    return found


def around(started: float) -> Window:
    """The time in which a request that started then has left something; Unix seconds."""
    return Window(started - _MARGIN_SECONDS, time.time() + _MARGIN_SECONDS)


def exemplars_url(model: str, started: float) -> str:
    """Where Prometheus serves the exemplars of the model's request durations as JSON."""
    window = around(started)
    query = {"query": f'{HISTOGRAM}{{model="{model}"}}', "start": window.start, "end": window.end}
    return f"{PROMETHEUS}/api/v1/query_exemplars?" + urlencode(query)


def find_trace(store: TraceStore, trace_id: str) -> list[Span] | None:
    """The spans, once the tree hangs together: one root, to which all others lead."""
    try:
        spans = store.trace(trace_id)
    except StoreError:
        return None
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    return spans if len(roots) == 1 else None


def find_logs(store: LogStore, trace_id: str, started: float) -> list[LogRecord] | None:
    """The request's records by time, once its `request_finished` is among them."""
    try:
        records = store.trace_records(trace_id, around(started))
    except StoreError:
        return None
    return records if finished(records) else None


def finished(records: list[LogRecord]) -> Fields | None:
    """The fields of the record that sums the request up."""
    return next((one.fields for one in records if one.event == "request_finished"), None)


def read_exemplars(answer: Any) -> list[Exemplar]:
    """Those in an answer of Prometheus's /api/v1/query_exemplars, none in no answer."""
    return [
        Exemplar(
            series["seriesLabels"].get("le", ""),
            float(raw["value"]),
            float(raw["timestamp"]),
            raw["labels"].get("trace_id", ""),
        )
        for series in (answer or {"data": []})["data"]
        for raw in series["exemplars"]
    ]


def _exemplars(model: str, started: float) -> list[Exemplar]:
    return read_exemplars(get_json(exemplars_url(model, started)))


def _edges() -> list[str]:
    query = urlencode({"match[]": HISTOGRAM})
    answer = get_json(f"{PROMETHEUS}/api/v1/label/le/values?{query}") or {"data": []}
    return sorted(answer["data"], key=float)


def bucket_of(seconds: float, edges: list[str]) -> str:
    """The upper edge of the bucket that counts this value, spelled as it is stored."""
    return next((edge for edge in edges if seconds <= float(edge)), "+Inf")


def find_exemplar(trace_id: str, model: str, started: float, seconds: float) -> Exemplar | None:
    """The request's exemplar, or the newer one that took its place in the same bucket."""
    found = _exemplars(model, started)
    own = next((one for one in found if one.trace_id == trace_id), None)
    edge, ended = bucket_of(seconds, _edges()), started + seconds
    newer = [one for one in found if one.le == edge and one.at > ended]
    return own or next(iter(newer), None)
