"""What was made, what arrived, by every witness: the numbers that an outage must leave equal."""

import time
from dataclasses import dataclass

from stack.stores.protocol import Window
from tests.e2e.stores import samples, stores, total

# A health check leaves a span, but is no request.
PROBES = 'span_name!~"GET /(health|version)"'
SECOND_WITNESS = f'sum(traces_span_metrics_calls_total{{job="llm-server",{PROBES}}}) or vector(0)'
LOST = 'sum({__name__=~"otelcol_(exporter_(send|enqueue)_failed|receiver_(refused|failed)).*"})'


@dataclass(frozen=True)
class Books:
    """Counters of the server at one moment."""

    requests: float
    lost: float

    @classmethod
    def open(cls) -> "Books":
        """Read them from the server itself, whatever Prometheus knows."""
        lost = sum(_telemetry(result) for result in ("failed", "dropped"))
        return cls(samples()["llm_requests_total"], lost)


def _telemetry(result: str) -> float:
    """Spans and log lines of the server that ended this way."""
    return samples(result=result).get("llm_telemetry_items_total", 0.0)


def finished_records(started: float) -> list[str]:
    """The trace ids of all request_finished records since `started` (Unix seconds)."""
    window = Window(started, time.time() + 60)
    found = stores().logs.events(("request_finished",), window)
    return [str(record.fields["trace_id"]) for record in found]


def refused_by_the_collector() -> float:
    """Items that the Collector refused or gave up, as Prometheus has them."""
    return total(f"{LOST} or vector(0)")
