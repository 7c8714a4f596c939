"""What the links of alerts and panels lead to on the running stack: pages, worst trace, logs."""

import re
import secrets
import time
from urllib.parse import unquote

import httpx
import pytest

from grafana.pictures.board import load
from stack.stores.protocol import LogRecord, StoreError, Window
from tests.e2e.client import Client, poll
from tests.e2e.stores import HTTP, stores

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("stack")]
ALERTLOG = "http://127.0.0.1:9095"
SELECTOR = 'gen_ai_server_request_duration_seconds_bucket{job="llm-server"}'


def led(path: str, **fields: str | float) -> httpx.Response | None:
    """The redirect that a link is answered with, if it is one."""
    answer = HTTP.get(f"{ALERTLOG}{path}", params=fields, follow_redirects=False)
    return answer if answer.is_redirect else None


def trace_id_of(place: str) -> str:
    (found,) = set(re.findall(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", unquote(place)))
    return str(found)


def is_kept(trace_id: str) -> bool:
    try:
        return bool(stores().traces.trace(trace_id))
    except StoreError:
        return False


def test_a_runbook_opens() -> None:
    page = HTTP.get(f"{ALERTLOG}/runbooks/targets").raise_for_status()
    assert 'id="targetdown"' in page.text


def test_the_number_of_every_panel_is_explained() -> None:
    urls = {url for board in load() for panel in board.panels for url in panel.links()}
    numbers = sorted(url for url in urls if url.startswith(f"{ALERTLOG}/numbers/"))
    assert numbers
    unknown = [url for url in numbers if not HTTP.get(url, follow_redirects=False).is_redirect]
    assert unknown == []
    page = HTTP.get(f"{ALERTLOG}/numbers/up", follow_redirects=True).raise_for_status()
    assert 'id="up"' in page.text


def test_the_worst_request_has_a_trace_and_a_moment_has_its_logs(client: Client) -> None:
    began = time.time()
    assert client.chat("A long one", max_tokens=200).status == 200
    to_trace = poll("the worst exemplar", lambda: led("/trace", selector=SELECTOR, at=began))
    trace_id = trace_id_of(to_trace.headers["location"])
    poll("its trace", lambda: is_kept(trace_id))
    to_logs = led("/logs", at=began, model=client.model)
    assert to_logs and to_logs.headers["location"].startswith("http://127.0.0.1:")


def test_an_alerts_record_has_the_trace_of_the_worst_request(client: Client) -> None:
    began, name = time.time(), f"LinkCheck{secrets.token_hex(4)}"
    assert client.chat("Another", max_tokens=20).status == 200
    poll("an exemplar", lambda: led("/trace", selector=SELECTOR, at=began))
    alert = {
        "status": "firing",
        "labels": {"alertname": name, "severity": "warning"},
        "annotations": {"summary": "a test of the links", "exemplars": SELECTOR},
        "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
    }
    HTTP.post(f"{ALERTLOG}/alerts", json={"alerts": [alert]}).raise_for_status()
    arrived = HTTP.get(f"{ALERTLOG}/alerts").json()["alerts"]
    assert name in {one["labels"]["alertname"] for one in arrived}
    page = HTTP.get(f"{ALERTLOG}/alerts/newest/{name}", follow_redirects=True).raise_for_status()
    assert f'id="{name.lower()}"' in page.text and "a test of the links" in page.text

    def recorded() -> LogRecord | None:
        every = stores().logs.records(Window(began - 60, time.time() + 60))
        return next((one for one in every if one.fields.get("alertname") == name), None)

    trace_id = str(poll("the alert's record", recorded).fields["trace_id"])
    poll("its trace", lambda: is_kept(trace_id))
