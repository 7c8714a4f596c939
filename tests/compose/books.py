"""What was made, what arrived, by every witness: the numbers that an outage must leave equal."""

import json
from dataclasses import dataclass

from tests.e2e.stores import HTTP, LOKI, TEMPO, samples, total

SECOND_WITNESS = 'sum(traces_span_metrics_calls_total{job="llm-server"}) or vector(0)'
LOST = 'sum({__name__=~"otelcol_(exporter_(send|enqueue)_failed|receiver_(refused|failed)).*"})'


@dataclass(frozen=True)
class Books:
    """Counters of the server and of the Collector at one moment."""

    requests: float
    spans: float
    logs: float
    lost: float

    @classmethod
    def open(cls) -> "Books":
        """Read them from the server itself, whatever Prometheus knows."""
        telemetry = {signal: _telemetry(signal) for signal in ("spans", "logs")}
        lost = sum(count for one in telemetry.values() for count in one[1:])
        requests = samples()["llm_requests_total"]
        return cls(requests, telemetry["spans"][0], telemetry["logs"][0], lost)


def _telemetry(signal: str) -> list[float]:
    """Made, failed and dropped items of a signal."""
    name = "llm_telemetry_items_total"
    results = ("made", "failed", "dropped")
    return [samples(signal=signal, result=result).get(name, 0.0) for result in results]


def spans_in_tempo(trace_id: str) -> int:
    """How many spans of the trace are stored."""
    answer = HTTP.get(f"{TEMPO}/api/traces/{trace_id}")
    if answer.status_code != 200:
        return 0
    batches = answer.json()["batches"]
    return sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"])


def finished_in_loki(started: float) -> list[str]:
    """The trace ids of all request_finished lines since `started` (Unix seconds)."""
    lines = _range('{service_name="llm-server"} | json | event="request_finished"', started)
    return [str(json.loads(line)["trace_id"]) for line in lines]


def _range(query: str, started: float) -> list[str]:
    params: dict[str, str | int] = {"query": query, "start": int(started * 1e9), "limit": 5000}
    answer = HTTP.get(f"{LOKI}/loki/api/v1/query_range", params=params).raise_for_status()
    streams = answer.json()["data"]["result"]
    return [value[1] for stream in streams for value in stream["values"]]


def refused_by_the_collector() -> float:
    """Items that the Collector refused or gave up, as Prometheus has them."""
    return total(f"{LOST} or vector(0)")
