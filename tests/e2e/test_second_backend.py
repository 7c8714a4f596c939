"""A second OTLP backend beside our stores, on a real Collector: fed, away, slow, full, refusing.

It never holds back, doubles or loses what is ours.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.settings import Settings, load
from tests import docs
from tests.conftest import REPO
from tests.e2e import certificates
from tests.e2e.client import poll
from tests.e2e.collectors import Collector, running
from tests.e2e.sink import Sink
from tests.unit.listening import listening

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("otelcol"), reason="no otelcol on PATH"),
]
TOKEN = "Bearer s3cret$with${env:PATH}$$"
MANY = 40


def _settings(folder: Path, **values: str) -> Settings:
    settings = load(REPO, {"STATE_DIR": str(folder / "state"), **values})
    settings.state.mkdir(exist_ok=True)
    return settings


def _headers(folder: Path) -> str:
    path = folder / "headers"
    path.write_text(f"authorization: {TOKEN}\nx-scope-orgid: 12\n")
    path.chmod(0o600)
    return str(path)


def _numbers(sink: Sink) -> Counter[int]:
    """How often each request's span and line came."""
    spans = Counter(int.from_bytes(span.trace_id) for span in sink.spans)
    lines = Counter(int(line["trace_id"], 16) for line in sink.lines)
    assert spans == lines
    return spans


def _has(sink: Sink, count: int) -> bool:
    return len(sink.spans) >= count and len(sink.lines) >= count


@contextmanager
def _plain(folder: Path, second: Sink, queue_bytes: int) -> Iterator[tuple[Collector, Sink]]:
    """A Collector between our store and the second backend, over plain HTTP on loopback."""
    with listening(store := Sink()) as ours:
        url = f"http://127.0.0.1:{second.server_port}/base"
        given = {"LLM_OTLP_ENDPOINT": url, "LLM_OTLP_INSECURE": "1"}
        with running(_settings(folder, **given), ours, queue_bytes) as collector:
            yield collector, store


def test_over_tls_it_has_what_ours_have_and_its_token_stands_nowhere(tmp_path: Path) -> None:
    ca, context = certificates.make(tmp_path)
    second = Sink()
    second.socket = context.wrap_socket(second.socket, server_side=True)
    instead = {
        "https://otlp.example.org:4318": f"https://localhost:{second.server_port}",
        "/etc/llm-observability/otlp-headers": _headers(tmp_path),
        "/etc/llm-observability/ca.pem": str(ca),
    }
    given, _ = docs.command(docs.block("existing-stack.md", "second.env", instead))
    with listening(store := Sink()) as ours, listening(second):
        with running(_settings(tmp_path, **given), ours) as collector:
            collector.send(1)
            for sink in (store, second):
                poll("span and line", lambda sink=sink: _has(sink, 1))
                assert _numbers(sink) == {1: 1}
                (span,), (line,) = sink.spans, sink.lines
                assert {each.key for each in span.attributes} == {"number"}
                assert "gen_ai.prompt" not in line
            poll("RED of the spans", lambda: "traces.span.metrics.calls" in second.metrics)
        assert {asked["authorization"] for asked in second.asked} == {TOKEN}
        assert {asked["x-scope-orgid"] for asked in second.asked} == {"12"}
        assert not any("authorization" in asked for asked in store.asked)
    told = collector.log.read_text() + repr(collector.environment)
    assert "s3cret" not in told


def test_a_certificate_of_nobody_is_not_believed(tmp_path: Path) -> None:
    _, context = certificates.make(tmp_path)
    second = Sink()
    second.socket = context.wrap_socket(second.socket, server_side=True)
    url = f"https://localhost:{second.server_port}"
    with listening(store := Sink()) as ours, listening(second):
        settings = _settings(tmp_path, LLM_OTLP_ENDPOINT=url)
        with running(settings, ours) as collector:
            collector.send(1)
            poll("ours", lambda: _has(store, 1))
            poll("a complaint", lambda: "certificate" in collector.log.read_text())
        assert second.asked == []


def test_one_that_hangs_holds_nothing_back_and_gets_what_waited(tmp_path: Path) -> None:
    with listening(second := Sink()), _plain(tmp_path, second, 268435456) as (collector, store):
        with second.hanging():
            for number in range(1, MANY + 1):
                collector.send(number)
            poll("all of it in ours", lambda: _has(store, MANY))
            assert collector.counted("otelcol_exporter_queue_size") > 0
            assert second.spans == []
        poll("all of it there too", lambda: _has(second, MANY))
        assert _numbers(store) == dict.fromkeys(range(1, MANY + 1), 1)
        assert set(_numbers(second)) == set(_numbers(store))


def test_one_that_is_away_for_too_long_misses_what_its_queue_cannot_hold(tmp_path: Path) -> None:
    away = Sink()
    port = away.server_port
    away.server_close()
    with _plain(tmp_path, away, 400) as (collector, store):
        collector.send(1)
        poll("what waits", lambda: collector.counted("otelcol_exporter_queue_size") > 0)
        for number in range(2, MANY + 1):
            # Answered 200 each time: an error would make the sender send it to ours again.
            collector.send(number)
        poll("all of it in ours", lambda: _has(store, MANY))
        name = "otelcol_exporter_enqueue_failed_spans_total"
        poll("what was missed", lambda: collector.counted(name) > 0)
        for ours in ("otlp_http/logs", "otlp_http/prometheus"):
            assert collector.counted(name, ours) == 0
        with listening(back := Sink(port)):
            poll("what waited", lambda: back.spans or back.lines)
        assert _numbers(store) == dict.fromkeys(range(1, MANY + 1), 1)


def test_one_that_refuses_loses_it_and_is_counted(tmp_path: Path) -> None:
    with listening(second := Sink()), _plain(tmp_path, second, 268435456) as (collector, store):
        second.status = 401
        collector.send(1)
        for signal in ("spans", "log_records"):
            name = f"otelcol_exporter_send_failed_{signal}_total"
            poll(name, lambda name=name: collector.counted(name) == 1)
        second.status = 200
        collector.send(2)
        poll("the next", lambda: _has(second, 1))
        assert set(_numbers(second)) == {2}
        poll("both in ours", lambda: _has(store, 2))
        assert _numbers(store) == {1: 1, 2: 1}
