"""One request of the run beside everything that the server left of it, joined by trace_id."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtest.rows import Row
from stack.stores.protocol import LogRecord, Span

KILLED = "killed"


def reason(record: LogRecord) -> str:
    """How the request ended, in the server's own words."""
    return str(record.fields.get("reason", ""))


def number(fields: Mapping[str, object], name: str) -> float | None:
    """A number among the fields of a record or a span, None where it is absent."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) else None


def count(record: LogRecord, name: str) -> int:
    """Tokens of a record; a killed request has none, for nobody knows them."""
    return int(number(record.fields, name) or 0)


@dataclass(frozen=True)
class Joined:
    """A row, its request_finished records, and the SERVER spans of its trace.

    `traced` is False where the trace store did not answer: then nothing is said of the spans.
    `dying` is True where the request ended when its process did, or a moment before: what the
    server sends half a second after it is made may have died with it.
    """

    row: Row
    records: tuple[LogRecord, ...]
    spans: tuple[Span, ...]
    traced: bool = True
    dying: bool = False

    @property
    def record(self) -> LogRecord | None:
        """The record where there is exactly one."""
        return self.records[0] if len(self.records) == 1 else None

    @property
    def span(self) -> Span | None:
        """The SERVER span where there is exactly one."""
        return self.spans[0] if len(self.spans) == 1 else None

    @property
    def was_killed(self) -> bool:
        """True where the server's next process found that this one had died with it."""
        return any(reason(record) == KILLED for record in self.records)
