"""Traces in Tempo, asked in TraceQL; the boards' search is written here too, with variables."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from stack.stores import otlp
from stack.stores.answer import as_json
from stack.stores.protocol import FoundTrace, Scope, Span, Window, quoted

URL = "http://127.0.0.1:3200"
SHOWN = ("llm.outcome", "llm.reason", "llm.cost.microdollars", "llm.gpu.cost.microdollars")
"""Attributes of a SERVER span that a search answers with."""


def slower_than(above: str, scope: Scope) -> str:
    """The TraceQL of requests that took longer than `above` seconds, newest first."""
    shown = ", ".join(f"span.{name}" for name in SHOWN)
    return (
        f'{{ resource.service.name = "llm-server" && kind = server && duration > {above}s '
        f"&& span.gen_ai.request.model =~ {quoted(scope.model)} "
        f"&& span.llm.tenant =~ {quoted(scope.tenant)} "
        f"&& resource.service.instance.id =~ {quoted(scope.instance)} "
        f"&& span.llm.outcome =~ {quoted(scope.outcome)} }} "
        f"| select({shown}) with (most_recent=true)"
    )


def _found(raw: Mapping[str, Any]) -> FoundTrace:
    span = raw["spanSets"][0]["spans"][0]
    return FoundTrace(
        # Tempo leaves out leading zeros.
        trace_id=raw["traceID"].zfill(32),
        start_ns=int(span["startTimeUnixNano"]),
        seconds=int(span["durationNanos"]) / 1e9,
        attributes=otlp.attributes(span),
    )


class Tempo:
    """The TraceStore of Tempo."""

    name = "tempo"

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace by start; raises NotFound."""
        return otlp.spans(as_json("Tempo", self.page(trace_id)))

    def newest_requests(
        self, above: float, scope: Scope, window: Window, most: int
    ) -> list[FoundTrace]:
        """Traces of requests that took longer than `above` seconds, newest first."""
        asked = {
            "q": slower_than(f"{above:.6f}", scope),
            "limit": most,
            "spss": 1,
            "start": int(window.start),
            "end": int(window.end) + 1,
        }
        answer = as_json("Tempo", f"{self._url}/api/search?{urlencode(asked)}")
        found = [_found(raw) for raw in answer.get("traces", [])]
        return sorted(found, key=lambda one: one.start_ns, reverse=True)

    def page(self, trace_id: str) -> str:
        """A URL that answers with the trace."""
        return f"{self._url}/api/traces/{trace_id}"
