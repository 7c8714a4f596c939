"""One network per path: who has to talk shares one, and stores share none among themselves."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.unit.stack.test_compose import PROFILES, REPO, services

STORES = ("tempo", "loki", "alertmanager")
# Neither may reach what holds everyone's traces, log lines and alerts.
OUTSIDE = ("server", "server-gpu", "node-exporter", "dcgm-exporter")


def _networks(profile: str) -> dict[str, set[str]]:
    return {name: set(one.get("networks") or {}) for name, one in services(profile).items()}


def _by_alias(profile: str, host: str) -> str:
    return "server-gpu" if (profile, host) == ("gpu", "server") else host


def _named_in(values: list[Any]) -> set[str]:
    found = (re.match(r"(?:http://)?([a-z-]+):\d+", str(value or "")) for value in values)
    return {match[1] for match in found if match}


def _scraped(profile: str) -> set[str]:
    folders = ("compose", profile)
    files = [f for name in folders for f in (REPO / "prometheus/targets" / name).glob("*.yaml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())]
    return _named_in([target for group in groups for target in group["targets"]])


def _paths(profile: str) -> Iterator[tuple[str, str]]:
    """Every pair of a caller and the service that its configuration names."""
    for name, service in services(profile).items():
        values = list((service.get("environment") or {}).values())
        test = service.get("healthcheck", {}).get("test", [])
        for host in _named_in([*values, *test]) - {name, "server" if "server" in name else ""}:
            yield name, host
    for host in _scraped(profile) - {"prometheus"}:
        yield "prometheus", host
    yield "alertmanager", "alertlog"


@pytest.mark.parametrize("profile", PROFILES)
def test_whoever_names_another_shares_a_network_with_it(profile: str) -> None:
    networks, paths = _networks(profile), set(_paths(profile))
    assert {("otel-collector", "tempo"), ("grafana", "loki"), ("prometheus", "server")} <= paths
    for caller, host in paths:
        assert networks[caller] & networks[_by_alias(profile, host)], f"{caller} to {host}"


@pytest.mark.parametrize("profile", PROFILES)
def test_stores_are_apart_from_each_other_and_from_the_server(profile: str) -> None:
    networks = _networks(profile)
    outside = [name for name in OUTSIDE if name in networks]
    pairs = [*combinations(STORES, 2), *((store, one) for store in STORES for one in outside)]
    assert [pair for pair in pairs if networks[pair[0]] & networks[pair[1]]] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_every_network_is_somebodys_and_nobody_is_on_the_default(profile: str) -> None:
    used = set.union(*_networks(profile).values())
    assert used == {"otlp", "scrape", "metrics", "traces", "logs", "alerts", "api", "pages"}


def test_the_proxy_meets_the_server_and_grafana_and_they_do_not_meet() -> None:
    networks = _networks("cpu,remote")
    assert networks["proxy"] == {"api", "pages"}
    by_network = {
        each: {name for name, own in networks.items() if each in own} for each in ("api", "pages")
    }
    assert by_network == {"api": {"proxy", "server"}, "pages": {"proxy", "grafana"}}
