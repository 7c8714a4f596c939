"""The page of the alerts that came last: what it says of each, and what hostile ones come to."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from alertmanager.alertlog import build
from alertmanager.arrived import SHOWN, show
from alertmanager.frame import page
from alertmanager.newest import Newest
from alertmanager.server import Server
from tests.unit.alert_desk import FIRING, SELECTOR, settings
from tests.unit.html_page import Page

FRAME = Page(page("", "")).places
BURN: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "ErrorBudgetBurn", "severity": "critical", "model": "tiny"},
    "annotations": {
        "summary": "tiny burns its budget",
        "description": "5 % of requests fail.",
        "value": "14.6",
        "threshold": "14.4",
        "runbook_url": "http://127.0.0.1:9095/runbooks/slo#errorbudgetburn",
        "dashboard_url": "http://127.0.0.1:3000/d/llm-red?var-model=tiny",
        "exemplars": SELECTOR,
    },
    "startsAt": "2026-11-23T20:00:00.5Z",
}


@pytest.fixture
def server() -> Iterator[Server]:
    made = build(settings(), port=0)
    yield made
    made.server_close()


def shown(*alerts: Any) -> str:
    newest = Newest()
    for alert in alerts:
        newest.note([alert])
    return show(newest.listing(), newest.since)


def test_an_alert_says_why_it_fired_and_leads_on() -> None:
    text = shown(FIRING, BURN)
    for said in ("tiny burns its budget", "5 % of requests fail.", ">14.6<", "threshold 14.4"):
        assert said in text
    assert "<strong>critical</strong> fires since 2026-11-23 20:00:00 UTC<br>model=tiny" in text
    assert Page(text).ids == ["errorbudgetburn", "targetdown"]
    runbook, trace, logs, board = Page(text).places[len(FRAME) : len(FRAME) + 4]
    assert (runbook, board) == (
        BURN["annotations"]["runbook_url"],
        BURN["annotations"]["dashboard_url"],
    )
    assert parse_qs(urlsplit(trace).query) == {"selector": [SELECTOR], "at": ["1795464000"]}
    assert logs == "/logs?at=1795464000&model=tiny"


def test_the_last_is_the_first_and_one_that_is_over_stays() -> None:
    text = shown(BURN, FIRING, {**BURN, "status": "resolved"})
    assert Page(text).ids == ["errorbudgetburn", "targetdown"]
    assert "over: 2026-11-23 20:00:00 UTC to " in text


def test_two_alerts_of_one_name_are_told_apart_by_their_labels(server: Server) -> None:
    other = {**BURN, "labels": {**BURN["labels"], "model": "large"}}
    over = {**other, "status": "resolved", "endsAt": "2026-11-23T20:09:00Z"}
    server.take("/alerts", [BURN, other])
    server.take("/alerts", [over])
    text = server.desk.get("/alerts/newest").text
    assert Page(text).ids == ["errorbudgetburn", "errorbudgetburn-1"]
    assert text.index("model=large") < text.index("model=tiny")
    assert "over: 2026-11-23 20:00:00 UTC to 2026-11-23 20:09:00 UTC" in text
    for asked, place in {
        "?model=large": "errorbudgetburn",
        "?model=tiny&objective=&tenant=$%7B__data.fields.Tenant%7D": "errorbudgetburn-1",
        # One that fires comes before one that is over.
        "": "errorbudgetburn-1",
    }.items():
        answer = server.desk.get(f"/alerts/newest/ErrorBudgetBurn{asked}")
        assert answer.location == f"/alerts/newest#{place}", asked


def test_one_that_fires_stays_however_many_came_since() -> None:
    text = shown(BURN, *({**FIRING, "labels": {"alertname": f"A{i}"}, "status": "resolved"}
                         for i in range(SHOWN + 7)))  # fmt: skip
    assert "errorbudgetburn" in Page(text).ids
    assert len(Page(text).ids) == SHOWN + 1


@pytest.mark.parametrize("name", ["c++", "Ünder load", "***"])
def test_any_name_leads_to_its_place(server: Server, name: str) -> None:
    server.take("/alerts", [{**BURN, "labels": {"alertname": "C"}}])
    server.take("/alerts", [{**BURN, "labels": {"alertname": name}}])
    answer = server.desk.get(f"/alerts/newest/{quote(name)}")
    place = unquote(answer.location.partition("#")[2])
    assert answer.status == 302
    assert Page(server.desk.get("/alerts/newest").text).ids.index(place) == 0


def test_a_text_that_cannot_be_sent_spoils_no_page(server: Server) -> None:
    """A lone surrogate is legal JSON, and no UTF-8."""
    labels = {"alertname": "A\ud800", "\ud800": "x"}
    said = dict.fromkeys(BURN["annotations"], "\ud800")
    server.take("/alerts", [{**BURN, "labels": labels, "annotations": said, "startsAt": "\ud800"}])
    for path in ("/alerts/newest", "/alerts"):
        assert server.desk.get(path).text.encode()


def test_it_says_where_older_ones_are() -> None:
    assert "No alert has arrived" in (text := shown())
    assert Page(text).places[len(FRAME) :] == ["/alerts/logged"]
    many = [{**BURN, "labels": {"alertname": f"A{i}"}, "status": "resolved"}
            for i in range(SHOWN + 7)]  # fmt: skip
    assert "And 7 older ones" in (text := shown(*many))
    assert len(Page(text).ids) == SHOWN


@pytest.mark.parametrize(
    "hostile", ['"><script>x</script>', "javascript:alert(1)", "\x00\n", "//x"]
)
def test_an_alert_brings_neither_elements_nor_addresses(hostile: str) -> None:
    labels = {"alertname": f"A{hostile}", "severity": hostile, "model": hostile, hostile: "x"}
    said = dict.fromkeys(BURN["annotations"], hostile)
    text = shown({**BURN, "labels": labels, "annotations": said})
    found = Page(text)
    assert found.open == []
    assert not found.tags & {"script", "img", "iframe"}
    led = {urlsplit(place).path for place in found.places[len(FRAME) :]}
    assert led <= {"/trace", "/logs", "/alerts/logged"}
    assert not any(place.startswith("//") for place in found.places)


@pytest.mark.parametrize("began", ["", "yesterday", "9999-99-99T99:99:99Z", "2026-11-23T20:00:00"])
def test_a_start_that_is_no_time_leads_to_no_moment(began: str) -> None:
    *places, _ = Page(shown({**BURN, "startsAt": began})).places[len(FRAME) :]
    assert places == [BURN["annotations"]["runbook_url"], BURN["annotations"]["dashboard_url"]]


def test_a_name_leads_to_its_place_or_to_its_runbook(server: Server) -> None:
    before = server.desk.get("/alerts/newest/ErrorBudgetBurn")
    server.take("/alerts", [BURN])
    after = server.desk.get("/alerts/newest/ErrorBudgetBurn")
    assert (before.status, before.location) == (302, "/runbooks/slo#errorbudgetburn")
    assert (after.status, after.location) == (302, "/alerts/newest#errorbudgetburn")
    assert 'id="errorbudgetburn"' in server.desk.get("/alerts/newest").text
    assert server.desk.get("/alerts/newest/Stranger").status == 404
