"""Exposition: OpenMetrics with exemplars over real HTTP, and the wait for a last scrape."""

import http.client
import socket
import threading
import time
from wsgiref.util import setup_testing_defaults

import pytest

from server import exposition, red
from server.exposition import Exposition
from server.settings import SettingsError
from tests.unit.helpers import TRACE_ID, record, settings

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture(scope="module")
def served() -> Exposition:
    return Exposition(settings(metrics_port=0))


def scrape(served: Exposition, accept: str = OPENMETRICS) -> tuple[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", served._server.server_port, timeout=5)
    connection.request("GET", "/metrics", headers={"Accept": accept})
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


def test_the_text_format_is_served_without_exemplars(served: Exposition) -> None:
    red.observe(record(model="exposed"))
    kind, text = scrape(served, "text/plain")
    assert kind.startswith("text/plain")
    assert 'model="exposed"' in text
    assert TRACE_ID not in text


def test_no_created_series_doubles_the_page(served: Exposition) -> None:
    red.observe(record(model="exposed"))
    _, text = scrape(served)
    assert not [line for line in text.splitlines() if "_created{" in line or "_created " in line]


def test_the_process_says_when_it_started(served: Exposition) -> None:
    _, text = scrape(served)
    assert any(line.startswith("process_start_time_seconds ") for line in text.splitlines())


def test_it_listens_on_the_given_host_only(served: Exposition) -> None:
    assert served._server.server_address[0] == "127.0.0.1"


def test_a_scrape_after_the_record_ends_the_wait(served: Exposition) -> None:
    since = time.monotonic()
    scraper = threading.Timer(0.05, scrape, (served,))
    scraper.start()
    assert served.wait_for_scrape(since) is True
    assert 0.05 <= time.monotonic() - since < 2
    scraper.join()


def test_an_earlier_scrape_is_enough_for_an_earlier_record(served: Exposition) -> None:
    since = time.monotonic()
    scrape(served)
    begun = time.monotonic()
    assert served.wait_for_scrape(since) is True
    assert time.monotonic() - begun < 0.5


def test_an_older_scrape_is_not_enough_and_the_wait_gives_up(
    served: Exposition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "LAST_SCRAPE_SECONDS", 0.05)
    scrape(served)
    since = time.monotonic()
    assert served.wait_for_scrape(since) is False
    assert time.monotonic() - since >= 0.05


def test_a_scrape_counts_once_its_last_byte_was_written(
    served: Exposition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "LAST_SCRAPE_SECONDS", 0.05)
    since = time.monotonic()
    environ: dict[str, object] = {}
    setup_testing_defaults(environ)
    body = served._serve(environ, lambda status, headers: None)
    assert served.wait_for_scrape(since) is False
    assert b"".join(body).endswith(b"\n")
    assert served.wait_for_scrape(since) is True


def test_without_any_record_nothing_is_waited_for(served: Exposition) -> None:
    assert served.wait_for_scrape(0.0) is True


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
    assert message.endswith("free or change it")
