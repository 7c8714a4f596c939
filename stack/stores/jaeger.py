"""Traces in Jaeger 2: one trace as OTLP JSON, searches by the interface of its own page."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from stack.stores import otlp
from stack.stores.answer import as_json
from stack.stores.protocol import Fields, FoundTrace, Scope, Span, Window

URL = "http://127.0.0.1:16686"
_SERVICE = "llm-server"
_MOST = 200
"""Traces, the newest, that one search answers with where it cannot look up the whole scope."""
_SEARCHES = 8
_LITERAL = re.compile(r"[\w.:/@-]+")


def _tags(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in raw["tags"]}


def _servers(trace: Mapping[str, Any], window: Window) -> Iterator[tuple[str, FoundTrace]]:
    """The SERVER spans of our service in a trace that began in the window, by their ids."""
    first, last = window.start * 1e6, window.end * 1e6
    for span in trace["spans"]:
        process, tags = trace["processes"][span["processID"]], _tags(span)
        is_ours = process["serviceName"] == _SERVICE and tags.get("span.kind") == "server"
        if is_ours and first <= span["startTime"] <= last:
            start, length = span["startTime"] * 1000, span["duration"] / 1e6
            found = FoundTrace(span["traceID"].zfill(32), start, length, {**_tags(process), **tags})
            yield span["spanID"], found


def _patterns(scope: Scope) -> dict[str, str]:
    """The attributes that the scope narrows, and their patterns."""
    every = {
        "gen_ai.request.model": scope.model,
        "llm.tenant": scope.tenant,
        "service.instance.id": scope.instance,
        "llm.outcome": scope.outcome,
    }
    return {name: pattern for name, pattern in every.items() if pattern != ".*"}


def _index(patterns: Mapping[str, str]) -> dict[str, str]:
    """What Badger can look up: equal values. It reads each index whole over the time range.

    That of the span's kind has an entry a request, that of the service one a span.
    """
    equal = {name: value for name, value in patterns.items() if _LITERAL.fullmatch(value)}
    return equal or {"span.kind": "server"}


def _is_in(patterns: Mapping[str, str], attributes: Fields) -> bool:
    return all(
        re.fullmatch(pattern, str(attributes.get(name, ""))) for name, pattern in patterns.items()
    )


def _oldest(traces: Sequence[Mapping[str, FoundTrace]]) -> int:
    """Where a page of traces ends: each stands in it by its newest request, Unix nanoseconds."""
    return min(max(one.start_ns for one in trace.values()) for trace in traces if trace)


class Jaeger:
    """The TraceStore of Jaeger."""

    name = "jaeger"

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace by start; raises NotFound."""
        return otlp.spans(as_json("Jaeger", self.page(trace_id))["result"])

    def newest_requests(
        self, above: float, scope: Scope, window: Window, most: int
    ) -> list[FoundTrace]:
        """Traces of requests that took longer than `above` seconds, newest first.

        Badger looks up equal values, and of a trace as a whole; the rest is done here, with the
        newest _SEARCHES x _MOST traces above.
        """
        found, patterns = dict[str, FoundTrace](), _patterns(scope)
        tags, limit = _index(patterns), max(most, _MOST) if patterns else most
        for _ in range(_SEARCHES):
            page = self._search(above, tags, window, limit)
            traces = [dict(_servers(trace, window)) for trace in page]
            for span_id, one in (pair for trace in traces for pair in trace.items()):
                if one.seconds > above and _is_in(patterns, one.attributes):
                    found[one.trace_id + span_id] = one
            if len(found) >= most or len(page) < limit or not any(traces):
                break
            window = Window(window.start, _oldest(traces) / 1e9)
        return sorted(found.values(), key=lambda one: one.start_ns, reverse=True)[:most]

    def _search(
        self, above: float, tags: Mapping[str, str], window: Window, limit: int
    ) -> list[Any]:
        asked = {
            "service": _SERVICE,
            "tags": json.dumps(tags),
            "start": int(window.start * 1e6),
            "end": int(window.end * 1e6),
            "minDuration": f"{above:.6f}s",
            "limit": limit,
        }
        return list(as_json("Jaeger", f"{self._url}/api/traces?{urlencode(asked)}")["data"] or [])

    def page(self, trace_id: str) -> str:
        """A URL that answers with the trace."""
        return f"{self._url}/api/v3/traces/{trace_id}"
