"""The links of a message: they lead to pages on loopback, or say why they lead nowhere."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from alertmanager.alertlog import build
from alertmanager.links import MAX_MODEL
from stack.parts.table import GRAFANA
from stack.request import links as ours
from stack.request.chat import Answer
from stack.stores.jaeger import Jaeger
from stack.stores.running import Stores
from stack.stores.tempo import Tempo
from stack.stores.victorialogs import VictoriaLogs
from tests.unit.alert_desk import SELECTOR, TRACE, Prometheus, ask, exemplar, exemplars, settings
from tests.unit.html_page import Page
from tests.unit.listening import listening

AT = 1795809600.0
GRAFANA_URL = {"ALERTLOG_GRAFANA_URL": "http://127.0.0.1:3000"}
JAEGER_URL = {"ALERTLOG_JAEGER_URL": "http://127.0.0.1:16686"}
TEMPO_URL = {"ALERTLOG_TEMPO_URL": "http://127.0.0.1:3200"}
VICTORIALOGS_URL = {"ALERTLOG_VICTORIALOGS_URL": "http://127.0.0.1:9428"}
LOKI_URL = {"ALERTLOG_LOKI_URL": "http://127.0.0.1:3100"}


@contextmanager
def desk(**env: str) -> Iterator[int]:
    server = build(settings(**env), port=0)
    with listening(server):
        yield server.server_port


def followed(port: int, path: str, **fields: str) -> tuple[int, str, Mapping[str, str]]:
    return ask(port, "GET", f"{path}?{urlencode(fields)}")


def led(env: Mapping[str, str], path: str, **fields: str) -> str:
    """Where a link leads, with one exemplar in Prometheus."""
    with (
        listening(Prometheus(exemplars(exemplar("2.5", at=AT)))) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url, **env) as port,
    ):
        status, _, headers = followed(port, path, **fields)
    assert status == 302
    return headers["Location"]


def pane(location: str) -> dict[str, object]:
    panes = parse_qs(urlsplit(location).query)["panes"][0]
    found: dict[str, object] = json.loads(panes)["a"]
    return found


def trace(env: Mapping[str, str]) -> str:
    return led(env, "/trace", selector=SELECTOR, at=str(AT))


def test_a_trace_opens_where_make_ask_opens_it() -> None:
    assert trace(JAEGER_URL) == Jaeger().page(TRACE)
    assert trace(TEMPO_URL) == Tempo().page(TRACE)


def test_grafana_opens_a_trace_as_it_does_for_make_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "probe", lambda url: url == GRAFANA.probe_url)
    asked = Answer(TRACE, 200, AT - 2.5, 0.1, 2.5, {}, "stop")
    same = ours.links(Stores(Tempo(), VictoriaLogs()), asked, "tiny")["trace"]
    location = trace({**GRAFANA_URL, **TEMPO_URL})
    assert location.partition("panes=")[0] == same.partition("panes=")[0]
    assert {**pane(location), "range": 0} == {**pane(same), "range": 0}
    around = {"from": int((AT - 122.5) * 1000), "to": int((AT + 180) * 1000)}
    assert pane(location)["range"] == {key: str(value) for key, value in around.items()}


def test_the_logs_of_grafana_are_those_around_the_time() -> None:
    location = led(GRAFANA_URL, "/logs", at=str(AT), until=str(AT + 60), model="tiny")
    assert location.startswith("http://127.0.0.1:3000/explore?")
    found = pane(location)
    assert found["range"] == {"from": str(int(AT - 900) * 1000), "to": str(int(AT + 60) * 1000)}
    assert query_of(location) == (
        '{service_name="llm-server"} | model="" or model="tiny" | severity_number >= 13 '
        'or (event="request_finished" and outcome!="ok")'
    )


def test_the_logs_of_a_store_are_those_around_the_time() -> None:
    location = led(VICTORIALOGS_URL, "/logs", at=str(AT), until=str(AT + 60))
    assert location.startswith("http://127.0.0.1:9428/select/vmui/#/?query=%7B%22service.name%22")
    fields = parse_qs(location.partition("?")[2])
    assert fields["g0.range_input"] == ["960s"]
    assert fields["g0.end_input"] == ["2026-11-27T20:01:00.000Z"]
    location = led(LOKI_URL, "/logs", at=str(AT), until=str(AT + 60))
    assert location.startswith("http://127.0.0.1:3100/loki/api/v1/query_range?query=")
    fields = parse_qs(urlsplit(location).query)
    assert fields["end"] == [str(int(AT + 60) * 10**9)]


def test_the_alerts_of_a_week_are_log_records_of_alertlogs_own() -> None:
    location = led(GRAFANA_URL, "/alerts/logged", at=str(AT))
    assert query_of(location) == '{service_name="alertmanager"}'
    week = {"from": str(int(AT - 7 * 86400) * 1000), "to": str(int(AT) * 1000)}
    assert pane(location)["range"] == week
    fields = parse_qs(led(VICTORIALOGS_URL, "/alerts/logged", at=str(AT)).partition("?")[2])
    assert fields["query"] == ['{"service.name"="alertmanager"}']
    assert fields["g0.range_input"] == ["604800s"]
    now = pane(led(GRAFANA_URL, "/alerts/logged"))["range"]
    assert abs(int(now["to"]) / 1000 - time.time()) < 60  # type: ignore[index]


def test_logs_of_now_do_not_reach_into_the_future() -> None:
    before = time.time()
    found = pane(led(GRAFANA_URL, "/logs", at=f"{before - 60:.3f}"))
    until = int(found["range"]["to"]) / 1000  # type: ignore[index]
    assert before - 1 <= until <= time.time()


def query_of(location: str) -> str:
    """The query that a page of logs is opened with."""
    if "panes=" in location:
        (query,) = pane(location)["queries"]  # type: ignore[misc]
        return str(query["expr"])
    return parse_qs(location.partition("/?")[2] or urlsplit(location).query)["query"][0]


@pytest.mark.parametrize("env", [GRAFANA_URL, VICTORIALOGS_URL, LOKI_URL])
@pytest.mark.parametrize("model", ['"} or {a="', "größer", "a b&c=d#e", "\\", "//foreign.example"])
def test_a_models_name_stays_within_its_quotes(env: Mapping[str, str], model: str) -> None:
    location = led(env, "/logs", at=str(AT), model=model)
    assert urlsplit(location).hostname == "127.0.0.1"
    assert location.isascii() and location.isprintable() and " " not in location
    plain = query_of(led(env, "/logs", at=str(AT), model="m"))
    assert query_of(location) == plain.replace('"m"', json.dumps(model, ensure_ascii=False))


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("/trace", {}, "at must be a Unix time"),
        ("/trace", {"at": "1"}, "selector must be a plain one"),
        ("/trace", {"at": "1", "selector": "sum(up)"}, "selector must be a plain one"),
        ("/trace", {"at": "1", "selector": "up\n"}, "selector must be a plain one"),
        ("/trace", {"at": "1", "selector": "x" * 70_00}, "selector must be a plain one"),
        ("/trace", {"at": "nan", "selector": "up"}, "at must be a Unix time"),
        ("/trace", {"at": "-1", "selector": "up"}, "at must be a Unix time"),
        ("/trace", {"at": "inf", "selector": "up"}, "at must be a Unix time"),
        ("/trace", {"at": "1e300", "selector": "up"}, "at must be a Unix time"),
        ("/trace", {"at": "today", "selector": "up"}, "at must be a Unix time"),
        ("/trace", {"at": "9", "until": "8", "selector": "up"}, "must not lie before"),
        ("/trace", {"at": "9", "until": "nan", "selector": "up"}, "until must be a Unix time"),
        ("/trace", {str(i): "1" for i in range(11)}, "at most ten"),
        ("/logs", {}, "at must be a Unix time"),
        ("/logs", {"at": "1795809600000"}, "at must be a Unix time"),
        ("/logs", {"at": "9", "until": "8"}, "must not lie before"),
        ("/logs", {"at": "9", "model": "m" * (MAX_MODEL + 1)}, "model must be a name"),
        ("/logs", {"at": "9", "model": "a\nb"}, "model must be a name"),
    ],
)
def test_a_link_that_is_not_ours_is_refused_in_words(
    path: str, fields: dict[str, str], reason: str
) -> None:
    with (
        listening(prometheus := Prometheus(exemplars())) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url, **GRAFANA_URL) as port,
    ):
        status, text, headers = followed(port, path, **fields)
    assert (status, reason in text) == (400, True), text
    assert headers.get("Location") is None
    assert prometheus.asked == []
    assert Page(text).open == []


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with desk(**GRAFANA_URL) as port:
        assert ask(port, "GET", "/logs?at=1&at=2")[0] == 400


def test_nothing_found_is_a_page_that_says_so_and_quotes_as_text() -> None:
    selector = 'up{a="<script>alert(1)</script>"}'
    with (
        listening(Prometheus(exemplars())) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url, **GRAFANA_URL) as port,
    ):
        status, text, headers = followed(port, "/trace", selector=selector, at=str(AT))
    assert (status, "No request has left an exemplar" in text) == (404, True)
    assert "&lt;script&gt;" in text and "script" not in Page(text).tags
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("body", "status"), [(b"rubbish", 200), (b"", 503)])
def test_a_prometheus_that_fails_is_told_of(body: bytes, status: int) -> None:
    with (
        listening(Prometheus(body, status=status)) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url, **GRAFANA_URL) as port,
    ):
        status, text, _ = followed(port, "/trace", selector=SELECTOR, at=str(AT))
    assert (status, "make logs PART=prometheus" in text) == (502, True)


def test_what_alertlog_was_not_told_of_is_named() -> None:
    with desk() as port:
        status, text, _ = followed(port, "/trace", selector="up", at="1")
        assert (status, "ALERTLOG_PROMETHEUS_URL" in text) == (404, True)
        status, text, _ = followed(port, "/logs", at="1")
        assert (status, "ALERTLOG_VICTORIALOGS_URL" in text) == (404, True)
    with (
        listening(Prometheus(exemplars(exemplar("1")))) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url) as port,
    ):
        status, text, _ = followed(port, "/trace", selector="up", at="1")
    assert (status, TRACE in text, "ALERTLOG_JAEGER_URL" in text) == (404, True, True)


@pytest.mark.parametrize("foreign", ["//foreign.example", "http://foreign.example/", "\r\nX: y"])
@pytest.mark.parametrize("name", ["selector", "at", "until", "model", "to", "url"])
def test_no_parameter_leads_elsewhere(name: str, foreign: str) -> None:
    fields = {"selector": SELECTOR, "at": str(AT), name: foreign}
    with (
        listening(Prometheus(exemplars(exemplar("1")))) as url,
        desk(ALERTLOG_PROMETHEUS_URL=url, **GRAFANA_URL) as port,
    ):
        for path in ("/trace", "/logs", f"/{quote(foreign)}"):
            _, _, headers = followed(port, path, **fields)
            location = headers.get("Location", "http://127.0.0.1:3000/")
            assert location.startswith("http://127.0.0.1:3000/")
            assert headers.get("X") is None
