"""alertlog over real HTTP on both sides: Alertmanager's JSON in, OTLP out to a real listener."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from alertmanager import delivery
from alertmanager.alertlog import build
from alertmanager.delivery import REST_SECONDS, AlertLog
from alertmanager.server import MAX_BODY_BYTES, Server
from server.signals.log_values import MAX_FIELDS, MAX_LINE, MAX_TEXT
from tests.unit import alert_desk
from tests.unit.alert_desk import FIRING, Collector, attributes, exporter
from tests.unit.listening import listening

RESOLVED = {**FIRING, "status": "resolved", "endsAt": "2026-11-23T20:05:00Z"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with listening(one := Collector()):
        yield one


@pytest.fixture
def server(collector: Collector) -> Iterator[Server]:
    server = build(alert_desk.settings(), port=0)
    server.alertlog = AlertLog(exporter(collector))
    with listening(server):
        yield server


@contextmanager
def hasty(server: Server, collector: Collector) -> Iterator[None]:
    """Give up soon, where nothing will be taken: a retry comes after a second."""
    patient, server.alertlog._exporter = server.alertlog._exporter, exporter(collector, 0.5)
    yield
    server.alertlog._exporter = patient


def rested(server: Server) -> None:
    """As if the time after a failure had passed."""
    server.alertlog._rests_until = 0.0


def ask(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    return alert_desk.ask(server.server_port, method, path, body, headers)[:2]


def post(server: Server, *alerts: object) -> tuple[int, str]:
    return ask(server, "POST", "/alerts", json.dumps({"alerts": alerts}).encode())


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("alertlog_alerts_total", {"result": result}) or 0.0


def test_an_alert_becomes_one_readable_record(server: Server, collector: Collector) -> None:
    assert post(server, FIRING)[0] == 200
    (record,) = collector.records()
    assert record.body.string_value == "firing: TargetDown: tempo is down"
    assert record.severity_text == "critical"
    assert attributes(record) == {
        "event": "alert_firing",
        "alertname": "TargetDown",
        "job": "tempo",
        "severity": "critical",
        "status": "firing",
        "starts_at": "2026-11-23T20:00:00Z",
        "summary": "tempo is down",
        "runbook_url": FIRING["annotations"]["runbook_url"],
    }


def sent_of(server: Server, collector: Collector, **changes: Any) -> Any:
    labels = {**FIRING["labels"], **changes.pop("labels", {})}
    notes = {**FIRING["annotations"], **changes.pop("annotations", {})}
    assert post(server, {**FIRING, "labels": labels, "annotations": notes, **changes})[0] == 200
    (record,) = collector.records()
    return record


@pytest.mark.parametrize(
    "label",
    ["event", "status", "starts_at", "ends_at", "summary", "description", "runbook_url", "value",
     "threshold", "dashboard_url", "trace_id", "service.name", "starts.at", "_msg",
     "label_job", "annotation_job"],
)  # fmt: skip
def test_a_label_cannot_pass_for_what_the_record_says_itself(
    server: Server, collector: Collector, label: str
) -> None:
    found = attributes(sent_of(server, collector, labels={label: "mine"}))
    assert found[f"label_{label}"] == "mine"
    assert found.get(label) != "mine"
    assert (found["event"], found["status"]) == ("alert_firing", "firing")
    assert (found["starts_at"], found["summary"]) == (FIRING["startsAt"], "tempo is down")


def test_an_annotation_cannot_pass_for_a_label(server: Server, collector: Collector) -> None:
    notes = {"job": "mine", "severity": "mine", "description": "no answer"}
    found = attributes(sent_of(server, collector, annotations=notes))
    assert (found["job"], found["severity"]) == ("tempo", "critical")
    assert (found["annotation_job"], found["annotation_severity"]) == ("mine", "mine")
    assert found["description"] == "no answer"


def test_an_alert_without_severity_or_summary_is_still_readable(
    server: Server, collector: Collector
) -> None:
    post(server, {**FIRING, "labels": {"alertname": "Odd"}, "annotations": {}})
    (record,) = collector.records()
    assert record.body.string_value == "firing: Odd"
    assert attributes(record)["severity"] == record.severity_text == "info"
    assert "summary" not in attributes(record)


def test_nothing_leaves_above_the_bounds(server: Server, collector: Collector) -> None:
    many = {f"label{index}": "😀" * 2000 for index in range(30)}
    record = sent_of(server, collector, labels=many, annotations={"summary": "x" * 2 * MAX_LINE})
    found = attributes(record)
    assert len(record.attributes) <= MAX_FIELDS
    assert sum(len(pair.SerializeToString()) for pair in record.attributes) < 64 * 1024
    assert len(found["summary"]) == len(found["label0"]) == MAX_TEXT
    assert len(record.body.string_value) == MAX_LINE
    assert (found["event"], found["status"]) == ("alert_firing", "firing")


def test_many_labels_are_cut_to_what_a_store_takes(server: Server, collector: Collector) -> None:
    many = {f"label{index}": "x" for index in range(200)}
    assert len(sent_of(server, collector, labels=many).attributes) == MAX_FIELDS


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_half_a_character_loses_no_alert(server: Server, collector: Collector, where: str) -> None:
    found = attributes(sent_of(server, collector, **{where: {"summary": "\ud800", "": "none"}}))
    assert "?" in (found.get("label_summary"), found["summary"])
    assert "none" in (found.get("_"), found.get("annotation_"))


def test_it_speaks_as_alertmanager(server: Server, collector: Collector) -> None:
    post(server, FIRING)
    (resource,) = collector.received[0].resource_logs
    assert attributes(resource.resource)["service.name"] == "alertmanager"


def test_a_repetition_is_not_a_change_and_the_end_is(server: Server, collector: Collector) -> None:
    before = counted("repeated")
    post(server, FIRING)
    post(server, FIRING, RESOLVED)
    assert [attributes(r)["status"] for r in collector.records()] == ["firing", "resolved"]
    assert attributes(collector.records()[1])["ends_at"] == "2026-11-23T20:05:00Z"
    assert attributes(collector.records()[1])["event"] == "alert_resolved"
    assert counted("repeated") == before + 1


def test_what_is_remembered_is_small_and_tells_large_labels_apart(
    server: Server, collector: Collector
) -> None:
    alike = [{**FIRING["labels"], "x": "a" * 100_000 + end} for end in "bcb"]
    assert post(server, *({**FIRING, "labels": labels} for labels in alike))[0] == 200
    assert len(collector.records()) == 2
    kept = server.alertlog._delivered
    assert [len(key) for key in kept] == [32, 32]


def test_nothing_is_lost_while_the_collector_refuses(server: Server, collector: Collector) -> None:
    collector.status = 503
    before = counted("failed")
    with hasty(server, collector):
        status, reason = post(server, FIRING)
    assert (status, "send again" in reason) == (503, True)
    assert counted("failed") == before + 1
    collector.status = 200
    rested(server)
    assert post(server, FIRING)[0] == 200
    assert len(collector.records()) == 1


def test_a_collector_that_has_just_failed_is_left_alone_for_a_while(collector: Collector) -> None:
    at = [100.0]
    log = AlertLog(exporter(collector, 0.5), now=lambda: at[0])
    assert log.deliver([FIRING])
    collector.status = 503
    assert not log.deliver([RESOLVED])
    collector.status = 200
    at[0] += REST_SECONDS - 0.1
    assert not log.deliver([RESOLVED])
    assert len(collector.records()) == 1
    # What it has already is no reason to refuse.
    assert log.deliver([FIRING])
    at[0] += 0.2
    assert log.deliver([FIRING, RESOLVED])
    assert [attributes(r)["status"] for r in collector.records()] == ["firing", "resolved"]


def test_nobody_waits_long_behind_another_and_nothing_is_lost(
    server: Server, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAIT_SECONDS", 0.01)
    before = counted("failed")
    with server.alertlog._lock:
        assert post(server, FIRING)[0] == 503
    assert counted("failed") == before + 1
    assert post(server, FIRING)[0] == 200
    assert len(collector.records()) == 1


def test_nothing_is_lost_while_nobody_listens(server: Server, collector: Collector) -> None:
    collector.server_close()
    with hasty(server, collector):
        assert post(server, FIRING)[0] == 503


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "a list `alerts`"),
        (b'{"alerts": {}}', "a list `alerts`"),
        (b'{"alerts": [1]}', "needs a status"),
        (b'{"alerts": [{"status": "off"}]}', "needs a status"),
        (b'{"alerts": [{"status": "firing"}]}', "objects of strings"),
        (b'{"alerts": [{"status": "firing", "labels": {"a": 1}}]}', "objects of strings"),
        (b'{"alerts": [{"status": "firing", "labels": {"a": "b"}}]}', "label alertname"),
    ],
)
def test_rubbish_gets_400_and_the_reason(
    server: Server, collector: Collector, body: bytes, reason: str
) -> None:
    status, said = ask(server, "POST", "/alerts", body)
    assert (status, reason in said) == (400, True), said
    assert collector.records() == []


def test_one_bad_alert_refuses_the_whole_request(server: Server, collector: Collector) -> None:
    assert post(server, FIRING, {})[0] == 400
    assert collector.records() == []


@pytest.mark.parametrize(
    ("length", "status"),
    [(str(MAX_BODY_BYTES + 1), 413), ("9" * 5000, 413), ("-1", 411), ("x", 411), ("", 411)],
)
def test_a_body_of_bad_length_is_not_read(server: Server, length: str, status: int) -> None:
    headers = {"Content-Length": length}
    assert ask(server, "POST", "/alerts", b"", headers)[0] == status


def test_a_client_that_leaves_early_is_not_reported(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (BrokenPipeError(), ConnectionResetError(), TimeoutError()):
        try:
            raise error
        except OSError:
            server.handle_error(None, ("127.0.0.1", 1))
    assert capsys.readouterr().err == ""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        server.handle_error(None, ("127.0.0.1", 1))
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_largest_body_is_taken(server: Server) -> None:
    body = json.dumps({"alerts": [FIRING]}).encode()
    assert ask(server, "POST", "/alerts", body.ljust(MAX_BODY_BYTES))[0] == 200


def test_health_metrics_and_nothing_else(server: Server) -> None:
    assert ask(server, "GET", "/health") == (200, "ok\n")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert ask(server, "GET", "/metrics", headers=accept)[1].endswith("# EOF\n")
    assert ask(server, "GET", "/")[0] == 404
    assert ask(server, "POST", "/")[0] == 404
