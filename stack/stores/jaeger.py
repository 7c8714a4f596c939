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
_MOST = 1500
"""Traces that one search may answer with before the scope is applied to them, which is here."""


def _tags(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in raw["tags"]}


def _servers(trace: Mapping[str, Any]) -> Iterator[FoundTrace]:
    """The SERVER spans of our service in a trace."""
    for span in trace["spans"]:
        process, tags = trace["processes"][span["processID"]], _tags(span)
        if process["serviceName"] == _SERVICE and tags.get("span.kind") == "server":
            start, length = span["startTime"] * 1000, span["duration"] / 1e6
            yield FoundTrace(span["traceID"].zfill(32), start, length, {**_tags(process), **tags})


def _is_in(scope: Scope, attributes: Fields) -> bool:
    wanted = {
        "gen_ai.request.model": scope.model,
        "llm.tenant": scope.tenant,
        "service.instance.id": scope.instance,
        "llm.outcome": scope.outcome,
    }
    found = {name: str(attributes.get(name, "")) for name in wanted}
    return all(re.fullmatch(pattern, found[name]) for name, pattern in wanted.items())


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
        """Traces of requests that took longer than `above` seconds, newest first."""
        asked = {
            "service": _SERVICE,
            # Badger reads an index whole: this one has an entry a request, a service's a span.
            "tags": json.dumps({"span.kind": "server"}),
            "start": int(window.start * 1e6),
            "end": int(window.end * 1e6),
            "minDuration": f"{above:.6f}s",
            "limit": most if scope == Scope() else _MOST,
        }
        answer = as_json("Jaeger", f"{self._url}/api/traces?{urlencode(asked)}")
        found = [one for trace in answer["data"] for one in _servers(trace)]
        chosen = [one for one in found if one.seconds > above and _is_in(scope, one.attributes)]
        return sorted(chosen, key=lambda one: one.start_ns, reverse=True)[:most]

    def page(self, trace_id: str) -> str:
        """A URL that answers with the trace."""
        return f"{self._url}/api/v3/traces/{trace_id}"
