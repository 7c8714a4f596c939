"""The running stack keeps to the contract: names, edges, listeners, rules."""

import ipaddress
import re

import psutil
import pytest

from server.catalogue import ALL, own, slo
from stack.native import supervisor
from stack.parts import lineup
from stack.parts.table import parts
from stack.settings import Settings
from tests.conftest import REPO
from tests.e2e.client import Client, poll
from tests.e2e.stores import HTTP, METRICS, OPENMETRICS, PROMETHEUS, query, samples, stores, story

pytestmark = pytest.mark.e2e
JOBS = {
    "llm-server",
    "otel-collector",
    "prometheus",
    "alertmanager",
    "alertlog",
    "node-exporter",
}


def _exposition() -> str:
    return HTTP.get(METRICS, headers=OPENMETRICS).raise_for_status().text


@pytest.mark.parametrize("name", [m.name for m in own.OWN if "model" in m.labels and m.buckets])
def test_every_histogram_carries_exemplars(client: Client, name: str) -> None:
    story(client.chat("An exemplar", max_tokens=30, ignore_eos=True).trace_id)
    pattern = rf'^{name}_bucket{{.*}} \S+ # {{trace_id="[0-9a-f]{{32}}"}}'
    assert re.search(pattern, _exposition(), re.M)


def test_the_sum_over_all_labels_is_the_number_of_requests(client: Client) -> None:
    text = _exposition()
    requests = _sum(text, "llm_requests_total")
    assert requests > 0
    assert requests == _sum(text, "gen_ai_server_request_duration_seconds_count")


def _sum(text: str, name: str) -> float:
    return sum(float(v) for v in re.findall(rf"^{name}{{[^}}]*}} (\S+)", text, re.M))


def _edges_used() -> set[tuple[str, str]]:
    pattern = re.compile(r'([\w:]+_bucket)\s*\{[^}]*?\ble="([^"]+)"')
    files = [*REPO.glob("prometheus/rules/*.yaml"), *REPO.glob("prometheus/alerts/*.yaml")]
    return {pair for file in files for pair in pattern.findall(file.read_text())}


def test_every_edge_in_a_rule_is_stored_under_that_spelling(client: Client) -> None:
    edges = _edges_used()
    assert edges, "no rule names a bucket's edge: this test would check nothing"
    client.chat("Fill the buckets", max_tokens=30, ignore_eos=True)
    lazy = {series for metric in ALL if metric.absent for series in metric.series}
    exposed = samples()
    for name, edge in ((n, e) for n, e in edges if n in exposed or n not in lazy):
        promql = f'{name}{{le="{edge}"}}'
        poll(f"{promql} in Prometheus", lambda promql=promql: query(promql))


def test_every_job_is_scraped(client: Client) -> None:
    jobs = JOBS | {stores().traces.name, stores().logs.name}
    poll("all jobs up", lambda: {s["metric"]["job"] for s in query("up == 1")} >= jobs)
    kept = {s["metric"]["store"]: s["metric"]["job"] for s in query('up{store!=""}')}
    assert kept == {"traces": stores().traces.name, "logs": stores().logs.name}


def test_the_rules_are_loaded_and_evaluate(client: Client) -> None:
    def groups() -> list[dict[str, object]]:
        answer = HTTP.get(f"{PROMETHEUS}/api/v1/rules").raise_for_status().json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    poll("every rule evaluated", lambda: all(r["health"] == "ok" for r in groups()), 60)
    assert {r["name"] for r in groups() if r["type"] == "alerting"} == set(slo.alerts())
    assert [r["name"] for r in groups() if r["type"] == "recording"]


def test_nothing_listens_off_loopback(client: Client, stack: Settings) -> None:
    running = supervisor.running(stack)
    if running is None:
        pytest.skip("the compose way publishes ports; tests/unit/stack/test_compose.py reads them")
    parent = psutil.Process(running.pid())
    listening = [
        (process.name(), each.laddr)
        for process in [parent, *parent.children(recursive=True)]
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    expected = {port for part in parts(lineup.running(stack)) for port in part.ports}
    assert {address.port for _, address in listening} >= expected
    for name, address in listening:
        ip = ipaddress.ip_address(address.ip)
        assert (getattr(ip, "ipv4_mapped", None) or ip).is_loopback, f"{name} on {address}"
