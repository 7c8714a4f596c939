"""Who is told of what a worker did: the conductor (exact rows), Locust's table, the Collector."""

from typing import TYPE_CHECKING

from opentelemetry.trace import Span

from loadtest.generator.exchange import Seen
from loadtest.generator.people import CHAT, Ask
from loadtest.rows import Row, to_line
from loadtest.telemetry import LoadTelemetry

if TYPE_CHECKING:
    # Importing Locust patches the whole process: its tests are not to be.
    from locust.env import Environment


class Told:
    """Rows wait here until they are fetched; everything else is told at once."""

    def __init__(self, environment: "Environment", telemetry: LoadTelemetry) -> None:
        self._environment = environment
        self._telemetry = telemetry
        self._lines: list[str] = []

    def begin(self, ask: Ask, model: str, start_ns: int) -> tuple[str, str, Span]:
        """A request begins (Unix nanoseconds): ids and span of its client, the server's parent."""
        self._telemetry.in_flight(1)
        operation = "chat" if ask.path == CHAT else "text_completion"
        return self._telemetry.start_span(operation, model, start_ns)

    def dropped(self) -> None:
        """A request was due and was not sent."""
        self._telemetry.dropped()

    def ended(self, row: Row, span: Span, seen: Seen) -> None:
        """A request ended."""
        self._lines.append(to_line(row))
        self._telemetry.in_flight(-1)
        self._telemetry.end_span(span, row)
        self._telemetry.ended(row)
        self._tell_locust(row, seen)

    def fetch(self) -> list[str]:
        """The rows since the last time, as lines."""
        lines, self._lines = self._lines, []
        return lines

    def _tell_locust(self, row: Row, seen: Seen) -> None:
        error = None if row.provoked else Exception(f"{row.outcome}: {row.ended_as}")
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="POST",
            name=row.kind,
            response_time=1000 * row.seconds,
            response_length=seen.bytes,
            exception=error,
            context={},
        )
        # Not as requests: Locust's sum over all rows would count each request thrice.
        for clock, seconds in (("TTFT", row.ttft_seconds), ("TPOT", row.tpot_seconds)):
            if seconds is not None:
                self._environment.stats.get(row.kind, clock).log(round(1000 * seconds), 0)
