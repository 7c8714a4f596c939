"""Reads what a request left behind: spans in Tempo, lines in Loki, series in Prometheus."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.e2e.client import Exchange, poll

TEMPO, LOKI, PROMETHEUS = (f"http://127.0.0.1:{port}" for port in (3200, 3100, 9090))
METRICS = "http://127.0.0.1:9464/metrics"
# Without allow-utf-8 prometheus_client spells vllm: as vllm_, which no Prometheus asks for.
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8"}
HTTP = httpx.Client(timeout=20, trust_env=False)


@dataclass(frozen=True)
class Span:
    """One span; times in Unix nanoseconds, ids in hex."""

    name: str
    kind: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: dict[str, Any]
    service: str


@dataclass(frozen=True)
class Story:
    """Everything that one request left in Tempo and Loki."""

    server: Span
    phases: list[Span]
    lines: list[dict[str, Any]]
    raw: str

    @property
    def finished(self) -> dict[str, Any]:
        """The one request_finished line."""
        found = [line for line in self.lines if line.get("event") == "request_finished"]
        assert len(found) == 1, f"{len(found)} request_finished lines, expected exactly one"
        return found[0]


def story(trace_id: str) -> Story:
    """Wait until trace and request_finished line of `trace_id` are both stored."""
    spans, raw_spans = poll(f"trace {trace_id} in Tempo", lambda: _trace(trace_id))
    lines, raw_lines = poll(f"request_finished of {trace_id} in Loki", lambda: _lines(trace_id))
    servers = [span for span in spans if span.kind == "SPAN_KIND_SERVER"]
    assert len(servers) == 1, f"{len(servers)} SERVER spans in {trace_id}, expected one"
    phases = [span for span in spans if span.parent_id == servers[0].span_id]
    assert len(phases) == len(spans) - 1, "a span stands outside the tree"
    return Story(
        servers[0], sorted(phases, key=lambda s: (s.start, s.end)), lines, raw_spans + raw_lines
    )


def _trace(trace_id: str) -> tuple[list[Span], str] | None:
    answer = HTTP.get(f"{TEMPO}/api/traces/{trace_id}")
    if answer.status_code != 200:
        return None
    spans = []
    for batch in answer.json()["batches"]:
        service = _attributes(batch["resource"])["service.name"]
        for scope in batch["scopeSpans"]:
            spans += [_span(raw, service) for raw in scope["spans"]]
    # Batches arrive one by one: a child can be there before its parent.
    complete = any(span.kind == "SPAN_KIND_SERVER" for span in spans)
    return (spans, answer.text) if complete else None


def _span(raw: dict[str, Any], service: str) -> Span:
    return Span(
        name=raw["name"],
        kind=raw.get("kind", ""),
        span_id=base64.b64decode(raw["spanId"]).hex(),
        parent_id=base64.b64decode(raw.get("parentSpanId", "")).hex(),
        start=int(raw["startTimeUnixNano"]),
        end=int(raw["endTimeUnixNano"]),
        attributes=_attributes(raw),
        service=service,
    )


def _attributes(raw: dict[str, Any]) -> dict[str, Any]:
    pairs = {pair["key"]: pair["value"] for pair in raw.get("attributes", [])}
    return {key: next(iter(value.values()), None) for key, value in pairs.items()}


def _lines(trace_id: str) -> tuple[list[dict[str, Any]], str] | None:
    text = find_lines(f'{{service_name="llm-server"}} | trace_id="{trace_id}"')
    values = [v for stream in json.loads(text)["data"]["result"] for v in stream["values"]]
    lines = [json.loads(value[1]) for value in values]
    done = any(line.get("event") == "request_finished" for line in lines)
    return (lines, text) if done else None


def find_lines(query: str, minutes: float = 15) -> str:
    """Return Loki's raw answer to a LogQL query over the last `minutes`."""
    start = int((time.time() - 60 * minutes) * 1e9)
    params: dict[str, str | int] = {"query": query, "start": start, "limit": 1000}
    return HTTP.get(f"{LOKI}/loki/api/v1/query_range", params=params).raise_for_status().text


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
