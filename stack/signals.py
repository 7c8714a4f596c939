"""Finds what one request left behind: its trace, its log lines, its exemplar."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from stack.http import get_json
from stack.tree import Span, read_spans

TEMPO, LOKI = "http://127.0.0.1:3200", "http://127.0.0.1:3100"
PROMETHEUS = "http://127.0.0.1:9090"
HISTOGRAM = "gen_ai_server_request_duration_seconds_bucket"
_MARGIN_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True)
class LogLine:
    """One log line: its time in Unix nanoseconds and its JSON body."""

    time_ns: int
    body: dict[str, Any]


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


def trace_url(trace_id: str) -> str:
    """Where Tempo serves the trace as JSON."""
    return f"{TEMPO}/api/traces/{trace_id}"


def logs_query(trace_id: str) -> str:
    """The LogQL query for every line of the request."""
    return f'{{service_name="llm-server"}} | trace_id="{trace_id}"'


def logs_url(trace_id: str, started: float) -> str:
    """Where Loki serves the request's lines as JSON."""
    window = {"start": int((started - _MARGIN_SECONDS) * 1e9), "direction": "forward"}
    window["end"] = int((time.time() + _MARGIN_SECONDS) * 1e9)
    return f"{LOKI}/loki/api/v1/query_range?" + urlencode({"query": logs_query(trace_id), **window})


def exemplars_url(model: str, started: float) -> str:
    """Where Prometheus serves the exemplars of the model's request durations as JSON."""
    window = {"start": f"{started - _MARGIN_SECONDS:.3f}", "end": f"{time.time() + 5:.3f}"}
    query = {"query": f'{HISTOGRAM}{{model="{model}"}}', **window}
    return f"{PROMETHEUS}/api/v1/query_exemplars?" + urlencode(query)


def find_trace(trace_id: str) -> list[Span] | None:
    """The spans, once the tree hangs together: one root, to which all others lead."""
    spans = read_spans(get_json(trace_url(trace_id)) or {})
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    return spans if len(roots) == 1 else None


def _body(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"event": line}
    return found if isinstance(found, dict) else {"event": line}


def find_logs(trace_id: str, started: float) -> list[LogLine] | None:
    """The request's lines by time, once its `request_finished` is among them."""
    answer = get_json(logs_url(trace_id, started)) or {"data": {"result": []}}
    pairs = [pair for stream in answer["data"]["result"] for pair in stream["values"]]
    lines = sorted((LogLine(int(at), _body(line)) for at, line in pairs), key=lambda x: x.time_ns)
    return lines if finished(lines) else None


def finished(lines: list[LogLine]) -> dict[str, Any] | None:
    """The body of the line that sums the request up."""
    return next((x.body for x in lines if x.body.get("event") == "request_finished"), None)


def _exemplars(model: str, started: float) -> list[Exemplar]:
    answer = get_json(exemplars_url(model, started)) or {"data": []}
    return [
        Exemplar(
            series["seriesLabels"]["le"],
            float(raw["value"]),
            float(raw["timestamp"]),
            raw["labels"].get("trace_id", ""),
        )
        for series in answer["data"]
        for raw in series["exemplars"]
    ]


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
