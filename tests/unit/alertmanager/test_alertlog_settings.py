"""What alertlog's environment may say, and what stops its start."""

from pathlib import Path

import pytest

from alertmanager.settings import load
from stack.native import processes
from stack.parts.lineup import COMPOSE, LineUp
from stack.settings import load as of_stack
from tests.unit.alert_desk import REPO

OPENED = ["GRAFANA", "TEMPO", "JAEGER", "LOKI", "VICTORIALOGS"]


def test_an_empty_environment_listens_on_loopback_and_asks_nobody() -> None:
    found = load({})
    assert (found.host, found.otlp) == ("127.0.0.1", "http://127.0.0.1:4318")
    assert (found.prometheus, found.grafana, dict(found.stores)) == ("", "", {})
    assert (found.docs / "runbooks").is_dir()


def test_addresses_are_taken_as_they_are_and_empty_ones_are_none() -> None:
    found = load(
        {
            "ALERTLOG_PROMETHEUS_URL": "http://prometheus:9090/",
            "ALERTLOG_GRAFANA_URL": "http://localhost:3000",
            "ALERTLOG_JAEGER_URL": "http://[::1]:16686",
            "ALERTLOG_LOKI_URL": "",
        }
    )
    assert (found.prometheus, found.grafana) == ("http://prometheus:9090", "http://localhost:3000")
    assert dict(found.stores) == {"jaeger": "http://[::1]:16686"}


@pytest.mark.parametrize("key", ["PROMETHEUS", *OPENED])
@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.1:9090",
        "ftp://127.0.0.1",
        "javascript:alert(1)",
        "http://",
        "http://:9090",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1/ a",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/#a",
        "http://[::1",
    ],
)
def test_what_is_no_address_stops_the_start(key: str, value: str) -> None:
    with pytest.raises(SystemExit, match=f"environment: ALERTLOG_{key}_URL: .*such as http://127"):
        load({f"ALERTLOG_{key}_URL": value})


@pytest.mark.parametrize("key", OPENED)
@pytest.mark.parametrize(
    "host", ["foreign.example", "10.0.0.1", "127.0.0.1.foreign.example", "grafana", "0.0.0.0"]
)
def test_no_browser_is_sent_to_another_machine(key: str, host: str) -> None:
    with pytest.raises(SystemExit, match="use loopback"):
        load({f"ALERTLOG_{key}_URL": f"http://{host}:3000"})


@pytest.mark.parametrize("key", ["PROMETHEUS_URL", "GRAFANA_URL", "OTLP_ENDPOINT"])
def test_a_password_is_refused_and_not_said(key: str) -> None:
    with pytest.raises(SystemExit, match=f"ALERTLOG_{key}") as stopped:
        load({f"ALERTLOG_{key}": "http://me:secret@127.0.0.1:9090"})
    assert "secret" not in str(stopped.value)


@pytest.mark.parametrize(
    ("runs", "opened"),
    [
        (COMPOSE, {"grafana": 3000, "tempo": 3200, "loki": 3100}),
        (LineUp("jaeger", "victorialogs", grafana=False), {"jaeger": 16686, "victorialogs": 9428}),
    ],
)
def test_alertlogs_links_lead_to_what_runs_whatever_the_shell_says(
    tmp_path: Path, runs: LineUp, opened: dict[str, int]
) -> None:
    values = {"XDG_CACHE_HOME": str(tmp_path), "ALERTLOG_JAEGER_URL": "http://foreign.example"}
    found = load(processes.environment(of_stack(REPO, values), "m", runs))
    grafana = {"grafana": found.grafana} if found.grafana else {}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in opened.items()}
    assert {**found.stores, **grafana} == urls
