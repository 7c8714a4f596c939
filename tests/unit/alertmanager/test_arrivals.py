"""The heartbeat, the newest state of each alert, and who may ask for either."""

import datetime
import json
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from alertmanager.alertlog import build
from alertmanager.heartbeat import SILENT_SECONDS, Heartbeat, Pulse
from alertmanager.newest import KEPT, ROOM, Newest
from alertmanager.server import Server
from tests.unit.alert_desk import FIRING, WATCHDOG, ask, settings
from tests.unit.listening import listening

RESOLVED = {**FIRING, "status": "resolved"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def moment(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now, datetime.UTC)


@pytest.fixture
def server() -> Iterator[Server]:
    with listening(one := build(settings(), port=0)):
        yield one


def beat(server: Server, *alerts: object) -> tuple[int, str]:
    body = json.dumps({"alerts": alerts}).encode()
    return ask(server.server_port, "POST", "/heartbeat", body)[:2]


def pulse(server: Server) -> tuple[int, dict[str, object]]:
    status, text, _ = ask(server.server_port, "GET", "/heartbeat")
    return status, json.loads(text)


def test_a_heart_that_stops_is_silent_and_one_that_has_not_begun_is_waited_for() -> None:
    heartbeat = Heartbeat(clock := Clock())
    assert heartbeat.pulse() == Pulse("waiting", None)
    clock.now += SILENT_SECONDS + 1
    assert heartbeat.pulse() == Pulse("silent", None)
    assert heartbeat.note([WATCHDOG])
    clock.now += SILENT_SECONDS
    assert heartbeat.pulse() == Pulse("ok", SILENT_SECONDS)
    clock.now += 1
    assert heartbeat.pulse() == Pulse("silent", SILENT_SECONDS + 1)
    assert heartbeat.note([FIRING, WATCHDOG])
    assert heartbeat.pulse() == Pulse("ok", 0.0)


def test_the_heartbeat_over_http(server: Server) -> None:
    assert pulse(server) == (503, {"status": "waiting", "age_seconds": None})
    assert beat(server, WATCHDOG) == (200, "marked\n")
    status, said = pulse(server)
    assert (status, said["status"]) == (200, "ok")
    assert isinstance(said["age_seconds"], float)
    assert (REGISTRY.get_sample_value("alertlog_heartbeat_timestamp_seconds") or 0) > 1.7e9


def test_a_heartbeat_is_no_alert(server: Server) -> None:
    beat(server, WATCHDOG)
    assert json.loads(ask(server.server_port, "GET", "/alerts")[1]) == {"alerts": []}


@pytest.mark.parametrize("alerts", [[], [FIRING], [{**WATCHDOG, "status": "resolved"}]])
def test_what_is_no_firing_watchdog_marks_nothing(server: Server, alerts: list[object]) -> None:
    assert beat(server, *alerts) == (200, "no firing Watchdog in it\n")
    assert pulse(server)[1]["status"] == "waiting"


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b'{"alerts":[{}]}', b'{"alerts":[1]}', b"\xff", b"[" * 100_000]
)
def test_rubbish_marks_nothing(server: Server, body: bytes) -> None:
    assert ask(server.server_port, "POST", "/heartbeat", body)[0] == 400
    assert pulse(server)[1]["status"] == "waiting"


def test_the_newest_state_of_each_alert_and_when_it_came_first() -> None:
    clock = Clock()
    newest = Newest(clock.moment)
    other = {**FIRING, "labels": {"alertname": "Other"}, "annotations": {"value": "1"}}
    newest.note([FIRING, other])
    clock.now += 60
    newest.note([FIRING, {**other, "annotations": {"value": "2"}}])
    clock.now += 60
    newest.note([RESOLVED])
    first, second = newest.listing()
    assert (first["status"], first["received_at"]) == ("resolved", "1970-01-01T00:18:40.000Z")
    assert first["labels"] == FIRING["labels"]
    assert first["starts_at"] == FIRING["startsAt"]
    assert (second["annotations"], second["received_at"]) == (
        {"value": "2"},
        "1970-01-01T00:16:40.000Z",
    )


def test_an_alert_that_fires_again_has_come_anew() -> None:
    newest = Newest((clock := Clock()).moment)
    newest.note([FIRING])
    clock.now += 60
    newest.note([{**FIRING, "startsAt": "2026-11-23T21:00:00Z"}])
    (state,) = newest.listing()
    assert state["received_at"] == "1970-01-01T00:17:40.000Z"


def test_no_flood_of_alerts_and_no_large_one_fills_the_memory() -> None:
    newest = Newest()
    newest.note([{**FIRING, "labels": {"alertname": f"A{i}"}} for i in range(KEPT + 10)])
    listed = newest.listing()
    assert len(listed) == KEPT
    assert listed[0]["labels"] == {"alertname": f"A{KEPT + 9}"}
    many = {"alertname": "Large", **{f"label{i}": "x" * 10_000 for i in range(100)}}
    newest.note([{**FIRING, "labels": many, "annotations": many, "startsAt": "x" * 10_000}])
    assert len(json.dumps(newest.listing()[0])) < 3 * ROOM


def test_alerts_are_listed_even_where_nobody_logs_them(server: Server) -> None:
    server.alertlog.deliver = lambda alerts: False  # type: ignore[method-assign]
    body = json.dumps({"alerts": [FIRING]}).encode()
    assert ask(server.server_port, "POST", "/alerts", body)[0] == 503
    status, text, headers = ask(server.server_port, "GET", "/alerts")
    (listed,) = json.loads(text)["alerts"]
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert (listed["labels"], listed["status"]) == (FIRING["labels"], "firing")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "alertlog:9095"}, 200),
        ({"Host": "127.0.0.1:9095"}, 200),
        ({"Host": "[::1]:9095"}, 200),
        ({"Host": "foreign.example:9095"}, 403),
        ({"Host": "foreign.example"}, 403),
        ({"Host": "127.0.0.1.foreign.example:9095"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
def test_a_page_from_elsewhere_may_not_ask(
    server: Server, headers: dict[str, str], status: int
) -> None:
    assert ask(server.server_port, "GET", "/alerts", headers=headers)[0] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://foreign.example"},
        {"origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "foreign.example"},
    ],
)
@pytest.mark.parametrize("path", ["/alerts", "/heartbeat"])
def test_no_page_may_post(server: Server, path: str, headers: dict[str, str]) -> None:
    body = json.dumps({"alerts": [WATCHDOG]}).encode()
    status, _, answered = ask(server.server_port, "POST", path, body, headers)
    assert status == 403
    assert answered.get("Access-Control-Allow-Origin") is None
    assert pulse(server)[1]["status"] == "waiting"
