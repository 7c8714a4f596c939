"""docs/existing-stack.md on the running server: your Prometheus, with foreign metrics in it."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests import docs
from tests.e2e import prometheus
from tests.e2e.client import Client, poll
from tests.e2e.stores import HTTP, query, samples, total
from tests.unit.listening import listening

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus on PATH"),
]
FOREIGN = """
# TYPE llm_requests_total counter
llm_requests_total{model="shop", outcome="server_error", reason="exception"} 9e9
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 1
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 1e9
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1
"""
"""An application and a machine of yours: names that ours have too, and a machine without memory."""


class _Foreign(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(FOREIGN.encode())

    def log_message(self, *args: object) -> None:
        return None


@dataclass(frozen=True)
class Yours:
    """What was exported, the Prometheus that reads it, and its configuration."""

    export: Path
    config: Path
    url: str


@pytest.fixture(scope="module")
def yours(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yours]:
    folder = tmp_path_factory.mktemp("yours")
    export = prometheus.exported(folder)
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), _Foreign)) as shop:
        instead = {
            "shop.example.org:8080": shop.removeprefix("http://"),
            "gpu-box.example.org:9464": "127.0.0.1:9464",
            "gpu-box.example.org:8888": "127.0.0.1:8888",
        }
        config = prometheus.configuration(folder, export / "rules", instead)
        with prometheus.running(folder, config) as url:
            yield Yours(export, config, url)


def test_promtool_takes_the_configuration_and_the_rules(yours: Yours) -> None:
    if not shutil.which("promtool"):
        pytest.skip("no promtool on PATH")
    for words in (["config", str(yours.config)], ["rules", "--lint-fatal", *_rule_files(yours)]):
        done = subprocess.run(["promtool", "check", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _rule_files(yours: Yours) -> list[str]:
    return [str(path) for path in (yours.export / "rules").glob("*.yaml")]


def test_every_rule_is_evaluated_and_none_is_there_twice(yours: Yours) -> None:
    found = prometheus.rules(yours.url)
    assert [rule for rule in found if rule["health"] == "err"] == []
    rows = Counter(json.dumps([r["name"], r.get("labels"), r["query"]]) for r in found)
    assert [row for row, times in rows.items() if times > 1] == []
    names = {rule["name"] for rule in found if rule["type"] == "alerting"}
    assert {"Yours", "LlmServerDown", "ErrorBudgetBurn", "HookErrors"} <= names
    assert not names & {"Watchdog", "TargetDown", "TargetMissing", "MachineMemoryLow", "ClockSkew"}


def test_your_own_metrics_are_in_none_of_our_numbers(yours: Yours) -> None:
    poll("your target", lambda: query('up{job="shop"} == 1', yours.url))
    poll("our target", lambda: query('up{job="llm-server"} == 1', yours.url))
    recorded = [r["name"] for r in prometheus.rules(yours.url) if r["type"] == "recording"]
    asked = "|".join(sorted({name for name in recorded if not name.startswith("instance:node")}))
    assert query(f'{{__name__=~"{asked}", model="shop"}}', yours.url) == []
    alerts = {each["metric"]["alertname"]: each["metric"] for each in query("ALERTS", yours.url)}
    assert "Yours" in alerts
    assert [one for one in alerts.values() if "shop" in one.values()] == []


def test_numbers_exemplars_and_the_link_to_the_trace_are_ours(yours: Yours, client: Client) -> None:
    sent = client.chat("Seen by yours")
    count = 'sum(llm_requests_total{job="llm-server"})'
    expected = samples()["llm_requests_total"]
    poll("our count in yours", lambda: total(count, yours.url) == expected)

    def look() -> bool:
        params = {"query": "gen_ai_server_request_duration_seconds_bucket"}
        times = {"start": str(sent.started - 5), "end": str(sent.started + 60)}
        answer = HTTP.get(f"{yours.url}/api/v1/query_exemplars", params={**params, **times})
        return sent.trace_id in answer.text

    poll("the exemplar", look)
    (up,) = query('up{job="llm-server"}', yours.url)
    # What spans carry as service.instance.id, which the link from a trace asks for.
    assert up["metric"]["instance"] == "127.0.0.1:9464"


def test_boards_ask_your_data_sources_and_lead_to_your_grafana(yours: Yours) -> None:
    given, _ = docs.command(docs.block("existing-stack.md", "export"))
    provider = yaml.safe_load(docs.block("existing-stack.md", "dashboards.yaml"))
    (only,) = provider["providers"]
    assert only["options"]["path"] == f"{given['TO']}/boards"
    boards = sorted((yours.export / "boards").glob("*.json"))
    assert len(boards) == 8
    known = {given[key] for key in ("PROMETHEUS_UID", "TEMPO_UID", "LOKI_UID")}
    for path in boards:
        text = path.read_text()
        assert _asked(json.loads(text)) <= known | {"-- Mixed --", "-- Grafana --"}
    told = "".join(Path(name).read_text() for name in _rule_files(yours))
    assert f"dashboard_url: {given['GRAFANA_URL']}/d/" in told
    assert "127.0.0.1:3000" not in told


def _asked(node: object) -> set[str]:
    """Every uid of a data source in a board."""
    if isinstance(node, list):
        return {uid for each in node for uid in _asked(each)}
    if not isinstance(node, dict):
        return set()
    own = node.get("datasource")
    found = {own["uid"]} if isinstance(own, dict) and "uid" in own else set()
    return found | {uid for each in node.values() for uid in _asked(each)}
