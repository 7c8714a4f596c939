"""An alert's record belongs to the trace of its worst request, and never waits long for it."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from alertmanager.delivery import AlertLog
from alertmanager.webhook import Alert
from alertmanager.worst import Worst
from tests.unit.alert_desk import (
    FIRING,
    SELECTOR,
    SPAN,
    TRACE,
    Collector,
    Prometheus,
    attributes,
    exemplar,
    exemplars,
    exporter,
)
from tests.unit.listening import listening

ABOUT_REQUESTS = {**FIRING, "annotations": {**FIRING["annotations"], "exemplars": SELECTOR}}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with listening(one := Collector()):
        yield one


def recorded(collector: Collector, url: str, alert: Alert) -> list[Any]:
    assert AlertLog(exporter(collector), Worst(url)).deliver([alert])
    return collector.records()


def test_a_record_belongs_to_the_trace_of_the_worst_request(collector: Collector) -> None:
    with listening(Prometheus(exemplars(exemplar("0.5", "f" * 32), exemplar("2.5")))) as url:
        (record,) = recorded(collector, url, ABOUT_REQUESTS)
    assert (record.trace_id.hex(), record.span_id.hex(), record.flags) == (TRACE, SPAN, 1)
    assert "trace_id" not in attributes(record)


def test_prometheus_is_asked_from_before_the_alert_until_its_end(collector: Collector) -> None:
    resolved = {**ABOUT_REQUESTS, "status": "resolved", "endsAt": "2026-11-23T20:05:00.25Z"}
    began = 1795464000.0
    with listening(prometheus := Prometheus(exemplars())) as url:
        (record,) = recorded(collector, url, resolved)
    (asked,) = prometheus.asked
    assert asked["query"] == SELECTOR
    assert (float(asked["start"]), float(asked["end"])) == (began - 900, began + 300.25)
    assert record.trace_id == b""


@pytest.mark.parametrize("body", [b"", b"[]", exemplars(), exemplars(exemplar("NaN"))])
def test_a_record_that_has_no_trace_is_not_lost(collector: Collector, body: bytes) -> None:
    with listening(Prometheus(body)) as url:
        (record,) = recorded(collector, url, ABOUT_REQUESTS)
    assert record.trace_id == b""


def test_a_record_does_not_wait_for_a_prometheus_that_says_nothing(collector: Collector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        (record,) = recorded(collector, url, ABOUT_REQUESTS)
    assert record.trace_id == b""


@pytest.mark.parametrize("starts", ["", "never", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_start_that_is_no_time_loses_nothing(collector: Collector, starts: str) -> None:
    with listening(Prometheus(exemplars(exemplar("1")))) as url:
        (record,) = recorded(collector, url, {**ABOUT_REQUESTS, "startsAt": starts})
    assert record.trace_id.hex() == TRACE


@pytest.mark.parametrize("selector", ["", "sum(x)", SELECTOR + "\n", 'x{a="' + "b" * 2000 + '"}'])
def test_what_is_no_selector_is_not_asked(collector: Collector, selector: str) -> None:
    notes = {**FIRING["annotations"], "exemplars": selector}
    with listening(prometheus := Prometheus(exemplars(exemplar("1")))) as url:
        recorded(collector, url, {**FIRING, "annotations": notes})
    assert prometheus.asked == []
