"""Logs in VictoriaLogs, asked in LogsQL."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from stack.stores.answer import as_lines
from stack.stores.fields import typed
from stack.stores.protocol import LogRecord, Points, Scope, Window, once, quoted

URL = "http://127.0.0.1:9428"
_SERVER = '{"service.name"="llm-server"}'
_ALERTS = '{"service.name"="alertmanager"}'
_SLICE_NS = 600 * 10**9
"""Records are read by so much time: VictoriaLogs sorts no more than fits a share of its memory."""
_RENAMED = {
    "severity_text": "level",
    "service.name": "service_name",
    "service.instance.id": "instance",
}


def _finished(scope: Scope) -> str:
    """The query of finished requests in the scope; what matches everything is left out."""
    fields = {
        "model": scope.model,
        "tenant": scope.tenant,
        "service.instance.id": scope.instance,
        "outcome": scope.outcome,
    }
    chosen = [
        f"{quoted(name)}:~{quoted(f'^({pattern})$')}"
        for name, pattern in fields.items()
        if pattern != ".*"
    ]
    return " ".join([_SERVER, "event:=request_finished", *chosen])


def _nanoseconds(text: str) -> int:
    """Unix nanoseconds of a time in RFC 3339 with up to nine decimals."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    at = datetime.datetime.fromisoformat(f"{whole}+00:00")
    return int(at.timestamp()) * 10**9 + int(fraction.ljust(9, "0") or "0")


def _record(row: Mapping[str, str]) -> LogRecord:
    named = {_RENAMED.get(name, name): text for name, text in row.items()}
    hidden = {name for name in named if name.startswith("_")}
    fields = {name: typed(name, text) for name, text in named.items() if name not in hidden}
    return LogRecord(_nanoseconds(row["_time"]), row.get("_msg", ""), fields)


class VictoriaLogs:
    """The LogStore of VictoriaLogs."""

    name = "victorialogs"

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def _link(self, query: str, start_ns: int, end_ns: int) -> str:
        """The URL of a query over a time in Unix nanoseconds, without the last of them."""
        asked = urlencode({"query": query, "start": start_ns, "end": end_ns})
        return f"{self._url}/select/logsql/query?{asked}"

    def _between(self, query: str, start_ns: int, end_ns: int) -> Iterator[Any]:
        return as_lines("VictoriaLogs", self._link(query, start_ns, end_ns))

    def _rows(self, query: str, window: Window) -> Iterator[Any]:
        return self._between(query, *window.nanoseconds)

    def _records(self, query: str, window: Window) -> list[LogRecord]:
        return [_record(row) for row in self._rows(query, window)]

    def _all(self, query: str, window: Window) -> Iterator[LogRecord]:
        """Every record of a query by time, each once, slice by slice."""
        first, last = window.nanoseconds
        for start in range(first, last, _SLICE_NS):
            rows = self._between(query, start, min(start + _SLICE_NS, last))
            yield from once(sorted(map(_record, rows), key=lambda record: record.time_ns))

    def _first(self, query: str, by: str, window: Window, most: int) -> list[LogRecord]:
        """The first records in this order, each once though every one may be there twice."""
        found = self._records(f"{query} | sort by ({by}) limit {2 * most}", window)
        return list(once(found))[:most]

    def trace_records(self, trace_id: str, window: Window) -> list[LogRecord]:
        """Every record of the server that carries the trace id, by time."""
        return list(once(self._records(f"{_trace_query(trace_id)} | sort by (_time)", window)))

    def worst_requests(
        self, field: str, above: float, scope: Scope, window: Window, most: int
    ) -> list[LogRecord]:
        """The finished requests with the largest `field`: exact, so `above` only narrows."""
        query = f"{_finished(scope)} {field}:>{above}"
        return self._first(query, f"{field} desc", window, most)

    def newest_requests(self, scope: Scope, window: Window, most: int) -> list[LogRecord]:
        """The finished requests that ended last, newest first."""
        return self._first(_finished(scope), "_time desc", window, most)

    def tenant_quantile(
        self, field: str, q: float, scope: Scope, window: Window, step: float
    ) -> dict[str, Points]:
        """The quantile of `field` over each step of seconds, by tenant."""
        query = (
            f"{_finished(scope)} {field}:* "
            f"| stats by (_time:{step:.0f}s, tenant) quantile({q}, {field}) value"
        )
        found: dict[str, Points] = {}
        for row in self._rows(query, window):
            # It names the beginning of each step, Loki and Prometheus the end.
            point = (_nanoseconds(row["_time"]) / 1e9 + step, float(row["value"]))
            found.setdefault(row.get("tenant", ""), []).append(point)
        return {tenant: sorted(points) for tenant, points in sorted(found.items())}

    def events(self, names: tuple[str, ...], window: Window) -> Iterator[LogRecord]:
        """Every record of these events, by time."""
        chosen = ", ".join(quoted(name) for name in names)
        yield from self._all(f"{_SERVER} event:in({chosen})", window)

    def alerts(self, window: Window) -> Iterator[LogRecord]:
        """Every record of an alert that began or ended, by time."""
        yield from self._all(_ALERTS, window)

    def count(self, event: str, window: Window) -> int:
        """How many records of the event there are."""
        query = f"{_SERVER} event:={quoted(event)} | stats count_uniq(trace_id, span_id) found"
        return sum(int(row["found"]) for row in self._rows(query, window))

    def records(self, window: Window) -> Iterator[LogRecord]:
        """Every record of every service, by time."""
        yield from self._all("*", window)

    def page(self, trace_id: str, window: Window) -> str:
        """A URL that answers with the records of a trace."""
        return self._link(_trace_query(trace_id), *window.nanoseconds)


def _trace_query(trace_id: str) -> str:
    return f"{_SERVER} trace_id:={quoted(trace_id)}"
