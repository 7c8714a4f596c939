"""A Collector of a test's own: the shipped configuration on another loopback address."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from stack.http import probe
from stack.receivers import backend
from stack.settings import Settings
from tests.conftest import REPO
from tests.e2e.client import poll

HOST = "127.0.0.7"
"""Where nobody listens on the ports of the stack's own."""
_OTLP = {"content-type": "application/x-protobuf"}
# Our trace store speaks gRPC only; here one sink stands for all three, and RED comes at once.
_FOR_TESTS = {
    "connectors": {"span_metrics": {"metrics_flush_interval": "1s"}},
    "service": {"pipelines": {"traces": {"exporters": ["otlp_http/logs"]}}},
}


@dataclass(frozen=True)
class Collector:
    """The running one: its log, and the environment that it was given."""

    log: Path
    environment: dict[str, str]
    http: httpx.Client

    def send(self, number: int) -> None:
        """A span with content in it and a log record of one request; both are taken at once."""
        for path, message in (("traces", _span(number)), ("logs", _line(number))):
            url = f"http://{HOST}:4318/v1/{path}"
            answer = self.http.post(url, content=message.SerializeToString(), headers=_OTLP)
            assert answer.status_code == 200, answer.text

    def counted(self, name: str, exporter: str = "otlp_http/second") -> float:
        """The sum of a metric of one exporter."""
        lines = self.http.get(f"http://{HOST}:8888/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f"{name}{{")]
        own = [line for line in found if f'exporter="{exporter}"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in own)


def _of(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


_SERVER = Resource(attributes=[_of("service.name", "llm-server")])


def _span(number: int) -> ExportTraceServiceRequest:
    span = Span(
        trace_id=number.to_bytes(16), span_id=number.to_bytes(8), name="POST /v1/completions",
        kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=1, end_time_unix_nano=2,
        attributes=[_of("gen_ai.prompt", "secret"), _of("number", str(number))],
    )  # fmt: skip
    spans = ResourceSpans(resource=_SERVER, scope_spans=[ScopeSpans(spans=[span])])
    return ExportTraceServiceRequest(resource_spans=[spans])


def _line(number: int) -> ExportLogsServiceRequest:
    record = LogRecord(trace_id=number.to_bytes(16), attributes=[_of("gen_ai.prompt", "secret")])
    logs = ResourceLogs(resource=_SERVER, scope_logs=[ScopeLogs(log_records=[record])])
    return ExportLogsServiceRequest(resource_logs=[logs])


def _files(folder: Path, second: str, queue_bytes: int) -> list[str]:
    """The shipped files, the second backend's with a queue of this size, and what tests change."""
    shipped = (REPO / "otel-collector" / second).read_text()
    small = folder / "second.yaml"
    small.write_text(shipped.replace("queue_size: 268435456", f"queue_size: {queue_bytes}"))
    changed = folder / "tests.yaml"
    changed.write_text(yaml.safe_dump(_FOR_TESTS))
    shipped_first = REPO / "otel-collector" / "collector.yaml"
    return [f"--config={path}" for path in (shipped_first, small, changed)]


@contextmanager
def running(settings: Settings, store: str, queue_bytes: int = 268435456) -> Iterator[Collector]:
    """The Collector as `make up` would start it with these settings; `store` is ours, a URL."""
    chosen = backend.chosen(settings)
    backend.write(settings, chosen)
    second = backend.variables(settings, chosen)
    env = {
        "PATH": os.environ["PATH"], "OTLP_LISTEN_HOST": HOST, "LOGS_OTLP_ENDPOINT": store,
        "PROMETHEUS_OTLP_ENDPOINT": store, "STORAGE_DIR": str(settings.state / "otelcol"), **second,
    }  # fmt: skip
    log = settings.state / "otelcol.log"
    command = [shutil.which("otelcol") or "otelcol"]
    command += _files(settings.state, second["SECOND_CONFIG"], queue_bytes)
    with log.open("w") as out, httpx.Client(trust_env=False) as http:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            health = f"http://{HOST}:13133/"
            poll(f"a Collector\n{log.read_text()[-2000:]}", lambda: probe(health, 1.0), 20.0)
            yield Collector(log, env, http)
        finally:
            process.terminate()
            process.wait(20)
