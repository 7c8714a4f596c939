"""Reads what a request left behind: its spans, its log records, its series in Prometheus."""

import time
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stack.settings import Settings
from stack.stores import running
from stack.stores.protocol import LogRecord, Span, StoreError, Window
from tests.e2e.client import Exchange, poll

PROMETHEUS = "http://127.0.0.1:9090"
METRICS = "http://127.0.0.1:9464/metrics"
# Without allow-utf-8 prometheus_client spells vllm: as vllm_, which no Prometheus asks for.
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8"}
HTTP = httpx.Client(timeout=20, trust_env=False)
_IN_USE: list[running.Stores] = []


def use(settings: Settings) -> None:
    """Read from the stores of this stack from now on."""
    _IN_USE[:] = [running.stores(settings)]


def stores() -> running.Stores:
    """The stores of the stack under test; the `stack` fixture has named it."""
    (found,) = _IN_USE
    return found


@dataclass(frozen=True)
class Story:
    """Everything that one request left in the stores of traces and logs."""

    server: Span
    phases: list[Span]
    records: list[LogRecord]

    @property
    def raw(self) -> str:
        """All of it as text, to look for what must not be there."""
        return repr((self.server, self.phases, self.records))

    @property
    def finished(self) -> dict[str, Any]:
        """The fields of the one request_finished record; what is not known is absent there."""
        found = [record for record in self.records if record.event == "request_finished"]
        assert len(found) == 1, f"{len(found)} request_finished records, expected exactly one"
        return dict(found[0].fields)


def story(trace_id: str) -> Story:
    """Wait until trace and request_finished record of `trace_id` are both stored."""
    spans = poll(f"trace {trace_id} in {stores().traces.name}", lambda: _trace(trace_id))
    what = f"request_finished of {trace_id} in {stores().logs.name}"
    records = poll(what, lambda: _records(trace_id))
    # A load test's client has a span of its own, above the server's.
    spans = [span for span in spans if span.service == "llm-server"]
    servers = [span for span in spans if span.kind == "server"]
    assert len(servers) == 1, f"{len(servers)} SERVER spans in {trace_id}, expected one"
    phases = [span for span in spans if span.parent_id == servers[0].span_id]
    assert len(phases) == len(spans) - 1, "a span stands outside the tree"
    return Story(servers[0], sorted(phases, key=lambda s: (s.start_ns, s.end_ns)), records)


def _trace(trace_id: str) -> list[Span] | None:
    try:
        spans = stores().traces.trace(trace_id)
    except StoreError:
        return None
    # Batches arrive one by one: a child can be there before its parent.
    return spans if any(span.kind == "server" for span in spans) else None


def _records(trace_id: str) -> list[LogRecord] | None:
    try:
        records = stores().logs.trace_records(trace_id, last(15))
    except StoreError:
        return None
    return records if any(record.event == "request_finished" for record in records) else None


def last(minutes: float) -> Window:
    """The time until a minute from now: a record may be stamped late."""
    return Window(time.time() - 60 * minutes, time.time() + 60)


def exemplar(sent: Exchange) -> dict[str, Any]:
    """Wait until Prometheus holds the exemplar that names the request's trace."""
    query = "gen_ai_server_request_duration_seconds_bucket"

    def look() -> dict[str, Any] | None:
        params: dict[str, str | float] = {"query": query, "start": sent.started - 5}
        params["end"] = time.time() + 5
        found = HTTP.get(f"{PROMETHEUS}/api/v1/query_exemplars", params=params).json()["data"]
        every = [(series["seriesLabels"], one) for series in found for one in series["exemplars"]]
        own = [(s, one) for s, one in every if one["labels"].get("trace_id") == sent.trace_id]
        return {"series": own[0][0], **own[0][1]} if own else None

    return poll(f"exemplar of {sent.trace_id} in Prometheus", look)


def samples(**labels: str) -> dict[str, float]:
    """Scrape :9464 and sum every series that carries the labels, by name."""
    text = HTTP.get(METRICS, headers=OPENMETRICS).raise_for_status().text
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if labels.items() <= sample.labels.items():
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def query(promql: str, prometheus: str = PROMETHEUS) -> list[dict[str, Any]]:
    """Return the series of an instant query."""
    answer = HTTP.get(f"{prometheus}/api/v1/query", params={"query": promql}).raise_for_status()
    return list(answer.json()["data"]["result"])


def total(promql: str, prometheus: str = PROMETHEUS) -> float:
    """Return the sum of an instant query's values, 0.0 when there is no series."""
    return sum(float(series["value"][1]) for series in query(promql, prometheus))
