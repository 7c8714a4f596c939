"""Exposition: OpenMetrics with exemplars over real HTTP, and the wait for a last scrape."""

import http.client
import math
import socket
import threading
from collections.abc import Iterator, Sequence
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from server.settings import SettingsError
from server.signals import exposition, red
from server.signals.exposition import Exposition, Readers
from tests.unit.helpers import TRACE_ID, Clock, record, settings

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PATIENCE = 30.0
"""Seconds for what has to come about; less would ask how fast the machine is."""


class Frozen(Collector):
    """The families of one moment: what counts CPU time would differ from page to page."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


@pytest.fixture(scope="module")
def served() -> Exposition:
    return Exposition(settings(metrics_port=0))


@pytest.fixture
def unread() -> Exposition:
    """One that nobody has read yet."""
    return Exposition(settings(metrics_port=0))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of scrapes: a slow machine moves no turn of theirs."""
    found = Clock()
    monkeypatch.setattr(exposition, "time", found)
    return found


def scrape(served: Exposition, accept: str = OPENMETRICS, agent: str = "test") -> tuple[str, str]:
    port = served._server.server_port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/metrics", headers={"Accept": accept, "User-Agent": agent})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200
    return str(response.getheader("Content-Type")), text


def test_openmetrics_has_exemplars(served: Exposition) -> None:
    red.observe(record(model="exposed"))
    kind, text = scrape(served)
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    name = "gen_ai_server_request_duration_seconds_bucket"
    line = next(
        line for line in text.splitlines() if line.startswith(name) and 'model="exposed"' in line
        and 'le="1.0"' in line
    )  # fmt: skip
    assert f'# {{trace_id="{TRACE_ID}"}} 1.0 ' in line


@pytest.mark.parametrize("escaping", ["allow-utf-8", "underscores", "dots", "values"])
def test_what_is_remembered_is_what_the_library_writes(
    served: Exposition, monkeypatch: pytest.MonkeyPatch, escaping: str
) -> None:
    strange = CollectorRegistry()
    numbers = (
        -0.0, 0.0, 0, -0.5, 1, 1.0, 10**6, 1234567.5, 1e21, 2e-9, math.inf, -math.inf, math.nan,
    )  # fmt: skip
    for number, value in enumerate(numbers):
        told = Gauge(f"strange:{number}", 'a "\\" and\na line', ["what", "le"], registry=strange)
        for text in ("", 'quo"te', "back\\slash", "li\nne", "häß", "+Inf"):
            told.labels(text, str(number)).set(value)
    Counter("dotted.name", "Utf8.", ["a.b"], registry=strange).labels("x").inc(
        2.5, {"trace_id": TRACE_ID}
    )
    registries = (strange, Frozen(tuple(REGISTRY.collect())))
    pages = [openmetrics.generate_latest(each, escaping) for each in registries * 2]
    for name in exposition._WRITERS:
        monkeypatch.setattr(openmetrics, name, getattr(openmetrics, name).__wrapped__)
    written = [openmetrics.generate_latest(each, escaping) for each in registries * 2]
    assert pages == written


def test_the_text_format_is_served_without_exemplars(served: Exposition) -> None:
    red.observe(record(model="exposed"))
    kind, text = scrape(served, "text/plain")
    assert kind.startswith("text/plain")
    assert 'model="exposed"' in text
    assert TRACE_ID not in text


LEGACY = (
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=underscores;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
"""What Prometheus 3.16 sends with metric_name_validation_scheme: legacy."""
NEWEST = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.4"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
ESCAPED = "text/plain;version=1.0.0;escaping=underscores"
NO_VERSION = "application/openmetrics-text;version=x;escaping=dots"
UNVERSIONED = "text/html, application/openmetrics-text ;q=0.8,*/*;q=0.1"


@pytest.fixture
def of_vllm() -> Iterator[Counter]:
    counter = Counter("vllm:exposed", "A name as vLLM's own are.")
    yield counter
    REGISTRY.unregister(counter)


@pytest.mark.parametrize(
    "accept",
    [
        OPENMETRICS,
        LEGACY,
        NEWEST,
        PROMETHEUS_2,
        ESCAPED,
        UNVERSIONED,
        NO_VERSION,
        "text/plain",
        "*/*",
        "",
    ],
)
@pytest.mark.usefixtures("of_vllm")
def test_no_scraper_is_told_other_names(served: Exposition, accept: str) -> None:
    kind, text = scrape(served, accept)
    assert "\nvllm:exposed_total 0.0\n" in text
    assert "vllm_exposed" not in text
    assert kind.startswith("application/openmetrics-text") == ("openmetrics" in accept)


def test_no_created_series_doubles_the_page(served: Exposition) -> None:
    red.observe(record(model="exposed"))
    _, text = scrape(served)
    assert not [line for line in text.splitlines() if "_created{" in line or "_created " in line]


def test_the_process_says_when_it_started(served: Exposition) -> None:
    _, text = scrape(served)
    assert any(line.startswith("process_start_time_seconds ") for line in text.splitlines())


def test_it_listens_on_the_given_host_only(served: Exposition) -> None:
    assert served._server.server_address[0] == "127.0.0.1"


def turn(served: Exposition, clock: Clock, agent: str, at: float) -> None:
    """A scrape at this time that has been noted: its reader has the last byte before."""
    clock.now = at
    scrape(served, agent=agent)
    assert served.readers.wait([f"127.0.0.1 {agent}"], at, PATIENCE)


def test_an_end_waits_for_whoever_scrapes_whatever_its_name(
    unread: Exposition, clock: Clock
) -> None:
    for at in (101.0, 106.0):
        turn(unread, clock, "Alloy/1.12", at)
    clock.now = 108.0
    assert unread.wait_for_scrapers(clock.now, 0.0) is False
    scraper = threading.Timer(0.1, scrape, (unread,), {"agent": "Alloy/1.12"})
    scraper.start()
    assert unread.wait_for_scrapers(clock.now, PATIENCE) is True
    scraper.join()


def test_a_person_who_looks_ends_no_wait_and_is_not_waited_for(
    unread: Exposition, clock: Clock
) -> None:
    for at in (101.0, 106.0):
        turn(unread, clock, "vmagent", at)
    turn(unread, clock, "curl/8", 108.0)
    assert unread.wait_for_scrapers(107.0, 0.05) is False
    turn(unread, clock, "vmagent", 111.0)
    assert unread.wait_for_scrapers(109.0, 0.0) is True


def test_a_scraper_that_has_gone_is_not_waited_for(unread: Exposition, clock: Clock) -> None:
    for at in (101.0, 106.0):
        unread.readers.note("gone", at)
    assert unread.readers.scrapers(121.0) == ["gone"]
    assert unread.readers.scrapers(121.01) == []
    clock.now = 121.01
    assert unread.wait_for_scrapers(clock.now, 0.0) is True


def test_a_scrape_counts_once_its_last_byte_was_written(unread: Exposition, clock: Clock) -> None:
    environ: dict[str, object] = {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "slow"}
    setup_testing_defaults(environ)
    for clock.now in (101.0, 106.0):
        b"".join(unread._serve(environ, lambda status, headers: None))
    clock.now = 111.0
    body = unread._serve(environ, lambda status, headers: None)
    assert unread.wait_for_scrapers(clock.now, 0.05) is False
    assert b"".join(body).endswith(b"\n")
    assert unread.wait_for_scrapers(clock.now, 0.0) is True


def test_two_scrapers_behind_one_address_are_both_expected_again() -> None:
    readers = Readers()
    for turn in (0.0, 0.2, 5.0, 5.2, 10.0, 10.2):
        readers.note("10.0.0.1 Prometheus/3", turn)
    assert readers.scrapers(14.9) == ["10.0.0.1 Prometheus/3"]
    assert readers.scrapers(30.0) == []


def test_strangers_cannot_fill_the_memory() -> None:
    readers = Readers()
    for n in range(1000):
        readers.note(f"agent {n}", float(n))
    assert len(readers._turns) == 64


def test_an_ipv6_address_is_listened_on() -> None:
    served = Exposition(settings(metrics_host="::1", metrics_port=0))
    assert served._server.server_address[0] == "::1"


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_this_machine_is_what_is_blamed(host: str) -> None:
    with pytest.raises(SettingsError, match="LLM_SERVER_METRICS_HOST") as stop:
        Exposition(settings(metrics_host=host, metrics_port=0))
    assert host in str(stop.value)


def test_a_port_in_use_names_the_setting_and_the_fix() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as stop:
            Exposition(settings(metrics_port=port))
    message = str(stop.value)
    assert message.startswith(f"environment: LLM_SERVER_METRICS_PORT: {port} cannot be used")
    assert "Address already in use" in message
    assert message.endswith("free it or choose another")
