"""Traces in Jaeger 2: one trace as OTLP JSON, searches by the interface of its own page."""

import json
import re
from collections.abc import Iterator, Mapping
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


def _servers(trace: Mapping[str, Any]) -> Iterator[FoundTrace]:
    """The SERVER spans of our service in a trace."""
    for span in trace["spans"]:
        process, tags = trace["processes"][span["processID"]], _tags(span)
        if process["serviceName"] == _SERVICE and tags.get("span.kind") == "server":
            start, length = span["startTime"] * 1000, span["duration"] / 1e6
            yield FoundTrace(span["traceID"].zfill(32), start, length, {**_tags(process), **tags})


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

        What Badger cannot look up is looked for in the newest _SEARCHES x _MOST traces above.
        """
        found, patterns = dict[tuple[str, int], FoundTrace](), _patterns(scope)
        tags = _index(patterns)
        limit = max(most, _MOST) if set(patterns) - set(tags) else most
        for _ in range(_SEARCHES):
            page = self._search(above, tags, window, limit)
            servers = [one for trace in page for one in _servers(trace)]
            found |= {
                (one.trace_id, one.start_ns): one
                for one in servers
                if one.seconds > above and _is_in(patterns, one.attributes)
            }
            if len(found) >= most or len(page) < limit or not servers:
                break
            window = Window(window.start, min(one.start_ns for one in servers) / 1e9)
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
