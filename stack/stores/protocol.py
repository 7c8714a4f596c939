"""What may be asked of a store: a closed set of questions, the same of each that can answer."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Value: TypeAlias = str | int | float | bool | list[str]
Fields: TypeAlias = Mapping[str, Value]


class StoreError(Exception):
    """A store refused a question or did not answer; the text says which and why."""


class NotFound(StoreError):  # noqa: N818, the store's answer
    """A store answered that it has no such trace."""


@dataclass(frozen=True)
class Window:
    """A time range in Unix seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    @property
    def nanoseconds(self) -> tuple[int, int]:
        """Its first nanosecond and the one behind its last, which stores leave out."""
        return int(self.start * 1e9), int(self.end * 1e9) + 1


@dataclass(frozen=True)
class Scope:
    """Which requests: a regular expression (RE2) for the whole value of each field."""

    model: str = ".*"
    tenant: str = ".*"
    instance: str = ".*"
    outcome: str = ".*"


EVERY = Scope()


def quoted(text: str) -> str:
    """Text as a string of LogQL, LogsQL or TraceQL; a board's `$variable` stays as it is."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True)
class LogRecord:
    """One log record: Unix nanoseconds, its text, its fields with `level` and the two ids."""

    time_ns: int
    text: str
    fields: Fields

    @property
    def event(self) -> str:
        """The event's name, empty for lines that are not ours."""
        return str(self.fields.get("event", ""))


def once(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Each record once: the Collector sends a batch again whose answer it did not get."""
    seen = set[tuple[object, ...]]()
    for record in records:
        ids = (record.fields.get("trace_id"), record.fields.get("span_id"))
        key = (record.time_ns, record.event or record.text, *ids)
        if key not in seen:
            seen.add(key)
            yield record


@dataclass(frozen=True)
class Span:
    """One span: ids in hex, `kind` in lower case, Unix nanoseconds, typed attributes."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    status: str
    attributes: Fields


@dataclass(frozen=True)
class FoundTrace:
    """One trace that a search found, by its SERVER span: seconds, and that span's attributes."""

    trace_id: str
    start_ns: int
    seconds: float
    attributes: Fields


Points: TypeAlias = list[tuple[float, float]]
"""(Unix seconds, value), by time."""


class LogStore(Protocol):
    """Where log records are; every method raises StoreError."""

    name: str

    def trace_records(self, trace_id: str, window: Window) -> list[LogRecord]:
        """Every record of the server that carries the trace id, by time."""

    def worst_requests(
        self, field: str, above: float, scope: Scope, window: Window, most: int
    ) -> list[LogRecord]:
        """The finished requests with the largest `field`, largest first.

        `above` is a hint for stores that would read all of them: none at or below it is needed.
        """

    def newest_requests(self, scope: Scope, window: Window, most: int) -> list[LogRecord]:
        """The finished requests that ended last, newest first."""

    def tenant_quantile(
        self, field: str, q: float, scope: Scope, window: Window, step: float
    ) -> dict[str, Points]:
        """The quantile of `field` over each step of seconds, by tenant; a point ends its step."""

    def events(self, names: tuple[str, ...], window: Window) -> Iterator[LogRecord]:
        """Every record of the server of these events, by time, each once."""

    def alerts(self, window: Window) -> Iterator[LogRecord]:
        """Every record of an alert that began or ended, by time, each once."""

    def count(self, event: str, window: Window) -> int:
        """How many records of the event there are, one that was delivered twice counted once."""

    def records(self, window: Window) -> Iterator[LogRecord]:
        """Every record of every service, by time."""

    def page(self, trace_id: str, window: Window) -> str:
        """A URL that answers with the records of a trace."""


class TraceStore(Protocol):
    """Where traces are; every method raises StoreError."""

    name: str

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace by start; raises NotFound."""

    def newest_requests(
        self, above: float, scope: Scope, window: Window, most: int
    ) -> list[FoundTrace]:
        """Traces of requests that took longer than `above` seconds, newest first."""

    def page(self, trace_id: str) -> str:
        """A URL that answers with the trace."""
