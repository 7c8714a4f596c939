"""What a run pushes, read off the wire as a Collector would."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtest import edges
from loadtest.rows import COOL_DOWN, MAIN, OUTCOMES, WARM_UP, Stage
from loadtest.telemetry import LoadTelemetry
from server.catalogue import Kind, grids
from server.catalogue.loadtest import LOADTEST
from tests.unit.listening import listening
from tests.unit.load_rows import row
from tests.unit.signals.test_otel_environment import HARMFUL, PROXIES

REPO = Path(__file__).parents[3]
RUN = "2026-11-27T15-00-00"
STAGE = Stage(number=3, phase=MAIN, rate=7.5, begun_ns=0, seconds=60.0)
UNITS = {"s": "_seconds", "": ""}
"""What Prometheus appends for a unit."""
SUFFIXES = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: ""}


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent; it answers while `answering` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pushes: list[Any] = []
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.answering = threading.Event()
        self.answering.set()

    def keep(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(_attributes(one.resource.attributes))
                self.pushes.append([m for scope in one.scope_metrics for m in scope.metrics])
        elif path == "/v1/traces":
            for two in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(_attributes(two.resource.attributes))
                self.spans += [span for scope in two.scope_spans for span in scope.spans]

    def values(self, name: str, push: int = -1) -> dict[tuple[tuple[str, str], ...], float]:
        """The newest points of a counter or gauge by their labels, the worker left out."""
        (found,) = (metric for metric in self.pushes[push] if metric.name == name)
        return {_labels(p): p.as_double or p.as_int for p in _points(found)}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answering.wait(20)
        self.server.keep(self.path, body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return None


def _attributes(found: Any) -> dict[str, Any]:
    kinds = ((each.key, each.value, each.value.WhichOneof("value")) for each in found)
    return {key: getattr(value, kind) for key, value, kind in kinds}


def _labels(point: Any) -> tuple[tuple[str, str], ...]:
    found = _attributes(point.attributes)
    assert found.pop("worker") == "w1"
    return tuple(sorted(found.items()))


def _points(metric: Any) -> list[Any]:
    return list(getattr(metric, metric.WhichOneof("data")).data_points)


@pytest.fixture(name="collector")
def _collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name, value in {**HARMFUL, **dict.fromkeys(PROXIES, "http://127.0.0.1:1")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=x,team=y")
    monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_off")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    server = Collector()
    with listening(server):
        yield server
        server.answering.set()


def telemetry(collector: Collector) -> LoadTelemetry:
    return LoadTelemetry(f"http://127.0.0.1:{collector.server_port}", RUN, worker="w1")


def one_run(collector: Collector) -> LoadTelemetry:
    """A run of two requests in one stage, one of them good; closed."""
    load = telemetry(collector)
    load.begin("ramp", "tiny-llama", 42, ["chat stream", "chat abort"])
    load.stage(STAGE)
    load.in_flight(1)
    load.dropped()
    load.dropped(2)
    load.ended(row())
    load.ended(row(outcome="timeout", ended_as="504", output_tokens=None))
    load.close()
    return load


def test_the_catalogue_knows_each_name_kind_label_and_edge(collector: Collector) -> None:
    one_run(collector)
    found = {}
    for metric in collector.pushes[-1]:
        data = getattr(metric, metric.WhichOneof("data"))
        kind = {"gauge": Kind.GAUGE, "histogram": Kind.HISTOGRAM}.get(metric.WhichOneof("data"))
        kind = kind or (Kind.COUNTER if data.is_monotonic else Kind.GAUGE)
        name = metric.name.replace(".", "_") + UNITS[metric.unit] + SUFFIXES[kind]
        labels = {key for p in data.data_points for key in _attributes(p.attributes)}
        edges_ = {tuple(p.explicit_bounds) for p in data.data_points} if metric.unit else {()}
        found[name] = (kind, labels, *edges_)
    assert found == {m.name: (m.kind, set(m.labels), m.buckets) for m in LOADTEST}


def test_edges_are_the_servers() -> None:
    for name in ("REQUEST_SECONDS", "TOKEN_SECONDS", "LAG_SECONDS"):
        assert getattr(edges, name) == getattr(grids, name)


def test_the_run_is_the_instance_whatever_the_environment_says(collector: Collector) -> None:
    one_run(collector)
    named = {"service.name": "loadtest", "service.instance.id": RUN}
    assert collector.resources
    assert all(found == named for found in collector.resources)


def test_counts_begin_at_zero_before_the_first_request(collector: Collector) -> None:
    one_run(collector)
    first = collector.values("loadtest.requests", push=0)
    kinds = ("chat stream", "chat abort")
    assert first == {(("kind", k), ("outcome", o)): 0 for k in kinds for o in OUTCOMES}
    for name in ("judged_requests", "good_requests", "output_tokens", "dropped"):
        assert collector.values(f"loadtest.{name}", push=0) == {(): 0}


def test_requests_and_their_goodness_are_counted(collector: Collector) -> None:
    one_run(collector)
    requests = {key: n for key, n in collector.values("loadtest.requests").items() if n}
    stream = ("kind", "chat stream")
    assert requests == {(stream, ("outcome", "ok")): 1, (stream, ("outcome", "timeout")): 1}
    names = ("judged_requests", "good_requests", "output_tokens", "good_output_tokens", "dropped")
    found = [collector.values(f"loadtest.{name}")[()] for name in names]
    assert found == [2, 1, 11, 11, 3]
    assert collector.values("loadtest.in_flight_requests") == {(): 1}


def test_the_stage_tells_its_phase_and_the_end_ends_all(collector: Collector) -> None:
    load = telemetry(collector)
    load.begin("ramp", "tiny-llama", 42, [])
    load.stage(STAGE)
    load._meters.force_flush()
    running = {WARM_UP: -1, MAIN: 3, COOL_DOWN: -1}
    assert collector.values("loadtest.stage") == {(("phase", p),): n for p, n in running.items()}
    assert collector.values("loadtest.target_rate") == {(): 7.5}
    labels = (("model", "tiny-llama"), ("seed", "42"), ("shape", "ramp"))
    assert collector.values("loadtest.run_info") == {labels: 1}
    load.close()
    assert set(collector.values("loadtest.stage").values()) == {-1}
    assert collector.values("loadtest.target_rate") == {(): 0}
    assert collector.values("loadtest.run_info") == {labels: 0}


def test_times_run_from_the_intended_start_and_carry_their_trace(collector: Collector) -> None:
    load = telemetry(collector)
    load.ended(row())
    load.ended(row(stream=False, first_token_ns=None, trace_id="", span_id=""))
    load.close()
    sums = {
        "request.duration": (2, 2.0),
        "time_to_first_token": (1, 0.3),
        "time_per_output_token": (1, 0.1),
        "schedule_delay": (2, 0.004),
    }
    for name, (count, seconds) in sums.items():
        (found,) = (m for m in collector.pushes[-1] if m.name == f"loadtest.{name}")
        (point,) = _points(found)
        assert (point.count, point.sum) == (count, pytest.approx(seconds))
        (exemplar,) = point.exemplars
        assert exemplar.trace_id.hex() == row().trace_id
        assert exemplar.span_id.hex() == row().span_id


def test_a_span_is_a_client_of_the_genai_convention(collector: Collector) -> None:
    load = telemetry(collector)
    trace_id, span_id, span = load.start_span("chat", "tiny-llama", 5_000_000_000)
    load.end_span(span, row(request_end_ns=6_000_000_000))
    load.close()
    (sent,) = collector.spans
    assert (sent.trace_id.hex(), sent.span_id.hex()) == (trace_id, span_id)
    assert (sent.name, sent.kind, sent.parent_span_id) == ("chat tiny-llama", 3, b"")
    assert (sent.start_time_unix_nano, sent.end_time_unix_nano) == (5_000_000_000, 6_000_000_000)
    assert (_attributes(sent.attributes), sent.status.code) == (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "vllm",
            "gen_ai.request.model": "tiny-llama",
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 11,
            "http.response.status_code": 200,
        },
        0,
    )


@pytest.mark.parametrize(
    ("outcome", "error", "code"),
    [("unreachable", "ConnectionRefusedError", 2), ("timeout", "504", 2), ("aborted", None, 0)],
)
def test_only_a_failure_is_an_error(
    collector: Collector, outcome: str, error: str | None, code: int
) -> None:
    load = telemetry(collector)
    *_, span = load.start_span("chat", "m", 1)
    load.end_span(span, row(outcome=outcome, ended_as=error or "hung up"))
    load.close()
    (sent,) = collector.spans
    assert (_attributes(sent.attributes).get("error.type"), sent.status.code) == (error, code)


def test_no_seed_repeats_a_trace(collector: Collector) -> None:
    import random

    load, ids = telemetry(collector), set()
    for _ in range(2):
        random.seed(1)
        ids.add(load.start_span("chat", "m", 1)[0])
    load.close()
    assert len(ids) == 2


def test_no_global_provider_is_set(collector: Collector) -> None:
    before = trace.get_tracer_provider(), metrics.get_meter_provider()
    telemetry(collector).close()
    assert (trace.get_tracer_provider(), metrics.get_meter_provider()) == before


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_collector_that_is_away_delays_beginning_and_end_by_their_bounds_only(
    collector: Collector, way: str
) -> None:
    if way == "silent":
        collector.answering.clear()
        load = telemetry(collector)
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            load = LoadTelemetry(f"http://127.0.0.1:{free.getsockname()[1]}", RUN)
    began = time.monotonic()
    load.begin("ramp", "m", 1, [])
    assert time.monotonic() - began < 3.5
    load.ended(row())
    *_, span = load.start_span("chat", "m", 1)
    load.end_span(span, row())
    began = time.monotonic()
    load.close()
    load.close()
    assert time.monotonic() - began < 6.5
