"""The official Grafana on our provisioning: its health, its log, every board and every query."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from grafana.pictures.board import Board, load
from stack.commands.export import export
from stack.containers import compose
from stack.evidence import grafana
from stack.settings import Settings
from stack.stores.protocol import Window
from tests.compose.docker import containers
from tests.compose.engine import docker
from tests.compose.queries import Query, every
from tests.compose.runs import RUNS
from tests.e2e.client import Client, poll
from tests.e2e.stores import story

URL = "http://127.0.0.1:3000"
HEALTHY_SECONDS = 120.0

pytestmark = pytest.mark.skipif(
    not RUNS.grafana,
    reason="no Grafana: its official image cannot be had, or Tempo and Loki do not run",
)


@pytest.fixture(scope="module")
def api(stack: Settings) -> Iterator[httpx.Client]:
    """Grafana's API, as admin."""
    password = (stack.state / "secrets" / "grafana_admin_password").read_text()
    login = ("admin", password)
    with httpx.Client(base_url=URL, auth=login, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def trace(stack: Settings) -> str:
    """A request whose trace and log lines are stored, for the panels that show one."""
    sent = Client().chat("Draw me")
    story(sent.trace_id)
    return sent.trace_id


def test_the_container_is_healthy_and_so_is_each_data_source(stack: Settings) -> None:
    poll("Grafana healthy", lambda: containers(stack)["grafana"].is_healthy, HEALTHY_SECONDS)
    assert grafana.problems(stack) == []


def test_provisioning_and_plugins_log_no_error(stack: Settings) -> None:
    text = compose.output(stack, "logs", "--no-color", "--no-log-prefix", "grafana")
    assert "logger=provisioning" in text
    errors = [line for line in text.splitlines() if "level=error" in line]
    assert [line for line in errors if re.search(r"logger=(provisioning|plugin)", line)] == []
    assert [line for line in errors if "Could not find plugin definition" in line] == []


@pytest.mark.parametrize("board", load(), ids=lambda board: board.uid)
def test_a_board_is_loaded_as_it_is_committed(api: httpx.Client, board: Board) -> None:
    answer = api.get(f"/api/dashboards/uid/{board.uid}").raise_for_status().json()
    assert answer["meta"]["provisioned"] is True
    loaded = Board(answer["dashboard"])
    assert loaded.title == board.title
    assert [panel.title for panel in loaded.panels] == [panel.title for panel in board.panels]


def _window() -> Window:
    now = time.time()
    return Window(now - 900, now)


QUERIES = every()


@pytest.mark.parametrize("query", [one for one in QUERIES if not one.is_search], ids=str)
def test_a_panels_query_is_answered(api: httpx.Client, trace: str, query: Query) -> None:
    answer = api.post("/api/ds/query", json=query.body(_window(), trace))
    assert answer.status_code == 200, answer.text[:1000]
    (result,) = answer.json()["results"].values()
    assert "error" not in result
    if query.panel.kind == "traces":
        assert result["frames"][0]["data"]["values"][0], "the trace has no spans"


@pytest.mark.parametrize("query", [one for one in QUERIES if one.is_search], ids=str)
def test_a_panels_search_is_answered(api: httpx.Client, trace: str, query: Query) -> None:
    answer = api.get(query.search(_window(), trace))
    assert answer.status_code == 200, answer.text[:1000]
    assert "traces" in answer.json()


def test_its_health_check_notices_a_store_that_is_away(stack: Settings) -> None:
    loki = containers(stack)["loki"].id
    docker("pause", loki)
    try:
        poll("Grafana unhealthy", lambda: not containers(stack)["grafana"].is_healthy, 180.0)
        assert any("loki" in problem for problem in grafana.problems(stack))
    finally:
        docker("unpause", loki)
    poll("Grafana healthy", lambda: containers(stack)["grafana"].is_healthy, HEALTHY_SECONDS)


def test_an_exported_board_asks_the_data_source_that_is_yours(
    api: httpx.Client, stack: Settings, tmp_path: Path
) -> None:
    """As docs/existing-stack.md says: by its uid, whatever else has the name of ours."""
    given = {"TO": str(tmp_path), "PROMETHEUS_UID": "yours"}
    told = Settings(stack.repo, stack.state, stack.cache, {**stack.values, **given})
    assert export(told) == 0
    source = {"name": "Yours", "uid": "yours", "type": "prometheus", "access": "proxy"}
    api.post(
        "/api/datasources", json={**source, "url": "http://prometheus:9090"}
    ).raise_for_status()
    board = json.loads((tmp_path / "boards" / "red.json").read_text())
    mine = {**board, "id": None, "uid": "yours-red", "title": "RED in yours"}
    try:
        answer = api.post("/api/dashboards/db", json={"dashboard": mine, "overwrite": True})
        assert answer.status_code == 200, answer.text
        body = {"refId": "A", "expr": "up", "instant": True, "datasource": {"uid": "yours"}}
        asked = {"from": "now-5m", "to": "now", "queries": [body]}
        answer = api.post("/api/ds/query", json=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"]["A"]["frames"]
    finally:
        api.delete("/api/dashboards/uid/yours-red")
        api.delete("/api/datasources/uid/yours")
