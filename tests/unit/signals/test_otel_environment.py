"""OpenTelemetry's variables and proxies of a shell change neither numbers nor where they go."""

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from alertmanager import delivery
from server.signals import otel_environment
from server.signals import otlp as telemetry
from server.signals.otel_environment import HONOURED
from server.signals.otlp import CountingLogProcessor, CountingSpanProcessor, ItemCounts
from server.signals.tracing import Tracing
from stack.native import processes
from stack.parts.lineup import COMPOSE
from stack.settings import load
from tests.unit.helpers import record, settings
from tests.unit.listening import listening

REPO = Path(__file__).resolve().parents[3]
HARMFUL = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_TRACES_SAMPLER_ARG": "0",
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": "nonsense",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "1",
    "OTEL_BSP_SCHEDULE_DELAY": "3600000",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "100000",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "0",
    "OTEL_SERVICE_NAME": "somebody-else",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,host",
    "OTEL_PYTHON_ID_GENERATOR": "xray",
    "OTEL_PYTHON_TRACER_CONFIGURATOR": "nobody",
    "OTEL_PROPAGATORS": "b3",
}
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def seen() -> tuple[Any, ...]:
    """All that a span and a log line tell that the environment might change."""
    spans, lines = InMemorySpanExporter(), InMemoryLogRecordExporter()
    resource = telemetry.resource(settings(instance="here:1"), "1")
    tracing = Tracing(resource, SimpleSpanProcessor(spans))
    first, second = (tracing.start("x", {}, 1) for _ in range(2))
    assert Tracing.ids(first) != Tracing.ids(second)
    assert int(Tracing.ids(first)[0], 16)
    tracing.finish(first, record(), None)
    made = spans.get_finished_spans()
    otlp = telemetry.span_exporter("http://127.0.0.1:4318")
    ways = (
        CountingSpanProcessor(otlp, ItemCounts("x")),
        CountingLogProcessor(lines, ItemCounts("y")),
    )
    telemetry.end(ways, 1.0)
    batches = [
        (each._max_export_batch_size, each._max_queue_size, each._schedule_delay)
        for each in (ways[0]._batch_processor, ways[1]._batches._batch_processor)
    ]
    attributes = [dict(span.attributes or {}) for span in made]
    client = otlp._client
    return attributes, dict(resource.attributes), batches, client._endpoint, client._timeout


@pytest.fixture(name="plain")
def _plain() -> tuple[Any, ...]:
    otel_environment.clean(os.environ)
    return seen()


@pytest.mark.parametrize("name", HARMFUL)
def test_what_would_change_numbers_or_their_way_does_not(
    plain: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, HARMFUL[name])
    assert seen() == plain
    assert name in otel_environment.ignored()


def test_every_variable_of_the_sdk_is_decided() -> None:
    known = {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    assert known >= HONOURED
    env = dict.fromkeys(known, "x")
    otel_environment.clean(env)
    assert env.keys() == HONOURED


def test_attributes_may_be_added_but_none_that_names_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = "team=search,service.namespace=x,service.name=y,service.instance.id=z,service.foo=1"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", given)
    found = telemetry.resource(settings(instance="here:1"), "1").attributes
    assert found["team"] == "search"
    assert {name: value for name, value in found.items() if name.startswith("service.")} == {
        "service.name": "llm-server",
        "service.version": "1",
        "service.instance.id": "here:1",
    }


class Collector(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers.get("x-key")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return None


@pytest.fixture(name="collector")
def _collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Collector, "asked", [])
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), Collector)) as url:
        yield url


def test_telemetry_and_alerts_go_past_a_proxy(
    collector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
    sent = [
        telemetry.span_exporter(collector).export([]),
        telemetry.log_exporter(collector).export([]),
        delivery.exporter_to(collector).export([]),
    ]
    assert [each.name for each in sent] == ["SUCCESS"] * 3
    paths = ["/v1/traces", "/v1/logs", "/v1/logs"]
    assert Collector.asked == [(path, "secret") for path in paths]


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, ""), ({"NO_PROXY": "a.b"}, "a.b,"), ({"no_proxy": "c", "NO_PROXY": "d"}, "c,")],
)
def test_the_native_parts_know_their_neighbours_and_no_variable_of_otel(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    values = {**given, "http_proxy": "http://proxy:1", "OTEL_SDK_DISABLED": "true"}
    values["XDG_CACHE_HOME"] = str(tmp_path)
    found = processes.environment(load(REPO, values), "m", COMPOSE)
    assert found["NO_PROXY"] == found["no_proxy"] == f"{named}127.0.0.1,localhost,::1"
    assert found["http_proxy"] == "http://proxy:1"
    assert not [name for name in found if name.startswith("OTEL_")]


BEYOND = {
    "server": "",
    "alertmanager": "alertlog,",
    "otel-collector": "tempo,loki,prometheus,jaeger,victorialogs,",
    "proxy": "server,grafana,",
}
"""Who may need a proxy for somebody outside (a model, people, a second backend, a certificate's
issuer), and the neighbours for whom none is asked."""


def test_every_container_that_speaks_asks_its_neighbours_directly() -> None:
    services = yaml.safe_load((REPO / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        if service.get("network_mode") == "none":
            continue
        direct = {service["environment"][key] for key in ("NO_PROXY", "no_proxy")}
        if name.startswith("server"):
            name = "server"
        own = BEYOND.get(name)
        expected = "*" if own is None else f"127.0.0.1,localhost,{own}${{NO_PROXY:-}}"
        assert direct == {expected}, name
