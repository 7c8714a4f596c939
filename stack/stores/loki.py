"""Logs in Loki, asked in LogQL; the boards' Loki queries are written here too, with variables."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from stack.stores.answer import as_json
from stack.stores.fields import typed
from stack.stores.protocol import LogRecord, Points, Scope, Window, once, quoted

URL = "http://127.0.0.1:3100"
MOST_LINES = 1000
"""Lines that a board asks for at a time, which Grafana's data source allows as well."""
_PAGE = 5000
"""Loki's own max_entries_limit_per_query."""
_SERVER = '{service_name="llm-server"}'
_ALERTS = '{service_name="alertmanager"}'
_RENAMED = {"severity_text": "level", "service_instance_id": "instance"}


def finished(scope: Scope) -> str:
    """The LogQL of finished requests in the scope; what matches everything is left out."""
    fields = {"model": scope.model, "tenant": scope.tenant, "outcome": scope.outcome}
    instance = "" if scope.instance == ".*" else f", service_instance_id=~{quoted(scope.instance)}"
    chosen = [f"{name}=~{quoted(text)}" for name, text in fields.items() if text != ".*"]
    selector = f'{{service_name="llm-server"{instance}}}'
    return " | ".join([selector, 'event="request_finished"', *chosen])


def worst(field: str, above: str, scope: Scope) -> str:
    """The LogQL of requests whose `field` is above: lines to sort, never a series a request."""
    return f"{finished(scope)} | {field} > {above}"


def tenant_quantile(field: str, q: float, scope: Scope, step: str) -> str:
    """The LogQL of the quantile of `field` over each step, by tenant."""
    lines = f"{finished(scope)} | unwrap {field} | __error__=``"
    return f"quantile_over_time({q}, {lines} [{step}]) by (tenant)"


def trace_records(trace_id: str) -> str:
    """The LogQL of every record of the server that carries the trace id."""
    return f'{_SERVER} | trace_id="{trace_id}"'


def _record(stream: Mapping[str, str], at: str, line: str) -> LogRecord:
    named = {_RENAMED.get(name, name): text for name, text in stream.items()}
    return LogRecord(int(at), line, {name: typed(name, text) for name, text in named.items()})


def _number(record: LogRecord, field: str) -> float:
    return float(str(record.fields[field]))


def _largest(field: str, records: list[LogRecord], most: int) -> list[LogRecord]:
    """Those with the largest `field`, largest first, each once."""
    ranked = sorted(once(records), key=lambda record: _number(record, field), reverse=True)
    return ranked[:most]


class Loki:
    """The LogStore of Loki."""

    name = "loki"

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def _range_link(self, query: str, window: Window, **more: str | int) -> str:
        start, end = window.nanoseconds
        asked = {"query": query, "start": start, "end": end, **more}
        return f"{self._url}/loki/api/v1/query_range?{urlencode(asked)}"

    @staticmethod
    def _ask(link: str) -> list[Any]:
        return list(as_json("Loki", link)["data"]["result"])

    def _lines(
        self, query: str, window: Window, most: int, direction: str, **more: int
    ) -> list[LogRecord]:
        link = self._range_link(query, window, limit=most, direction=direction, **more)
        found = self._ask(link)
        records = [_record(each["stream"], *value) for each in found for value in each["values"]]
        backward = direction == "backward"
        return sorted(records, key=lambda record: record.time_ns, reverse=backward)

    def trace_records(self, trace_id: str, window: Window) -> list[LogRecord]:
        """Every record of the server that carries the trace id, by time."""
        return self._lines(trace_records(trace_id), window, _PAGE, "forward")

    def worst_requests(
        self, field: str, above: float, scope: Scope, window: Window, most: int
    ) -> list[LogRecord]:
        """The finished requests with the largest `field`, of those above: exact.

        Where more lie above than are told at once, those above the worst found are asked for.
        """
        kept: list[LogRecord] = []
        while True:
            page = self._lines(worst(field, f"{above:.9f}", scope), window, MOST_LINES, "backward")
            kept = _largest(field, [*kept, *page], most)
            if len(page) < MOST_LINES or _number(kept[-1], field) <= above:
                return kept
            above = _number(kept[-1], field)

    def newest_requests(self, scope: Scope, window: Window, most: int) -> list[LogRecord]:
        """The finished requests that ended last, newest first."""
        return self._lines(finished(scope), window, most, "backward")

    def tenant_quantile(
        self, field: str, q: float, scope: Scope, window: Window, step: float
    ) -> dict[str, Points]:
        """The quantile of `field` over each step of seconds, by tenant."""
        query = tenant_quantile(field, q, scope, f"{step:.0f}s")
        found = self._ask(self._range_link(query, window, step=f"{step:.0f}s"))
        return {
            series["metric"]["tenant"]: [
                (float(at), float(value)) for at, value in series["values"]
            ]
            for series in found
        }

    def _all(self, query: str, window: Window) -> Iterator[LogRecord]:
        """Every record of a query by time, page by page; those of a page's last moment again."""
        start_ns, _ = window.nanoseconds
        while True:
            page = self._lines(query, window, _PAGE, "forward", start=start_ns)
            yield from page
            if len(page) < _PAGE:
                return
            # A page may cut through a moment; one that fills a page alone is left behind.
            start_ns = max(page[-1].time_ns, start_ns + 1)

    def events(self, names: tuple[str, ...], window: Window) -> Iterator[LogRecord]:
        """Every record of these events, by time, each once."""
        yield from once(self._all(f'{_SERVER} | event=~"{"|".join(names)}"', window))

    def alerts(self, window: Window) -> Iterator[LogRecord]:
        """Every record of an alert that began or ended, by time, each once."""
        yield from once(self._all(_ALERTS, window))

    def records(self, window: Window) -> Iterator[LogRecord]:
        """Every record of every service, by time."""
        yield from once(self._all('{service_name=~".+"}', window))

    def count(self, event: str, window: Window) -> int:
        """How many records of the event there are."""
        query = f'sum(count_over_time({_SERVER} | event="{event}" [{window.seconds:.0f}s]))'
        asked = urlencode({"query": query, "time": f"{window.end:.3f}"})
        found = self._ask(f"{self._url}/loki/api/v1/query?{asked}")
        return sum(int(float(sample["value"][1])) for sample in found)

    def page(self, trace_id: str, window: Window) -> str:
        """A URL that answers with the records of a trace."""
        return self._range_link(trace_records(trace_id), window, direction="forward")
