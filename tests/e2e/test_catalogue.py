"""The live stack shows what the catalogue says: no name more, none less, each with its labels."""

import secrets
from collections.abc import Iterator

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from server.catalogue import ALL, BY_SERIES, MADE, Kind, Metric
from server.catalogue.promql import selectors
from server.catalogue.uses import uses
from tests.e2e.client import CHAT, Client, poll
from tests.e2e.stores import HTTP, METRICS, OPENMETRICS, PROMETHEUS, stores

pytestmark = pytest.mark.e2e
STORES = ("tempo", "loki", "jaeger", "victorialogs")
OURS = ("llm_", "gen_ai_", "gpu_")
SERVER = [metric for metric in ALL if metric.source == "llm-server"]


@pytest.fixture(scope="module")
def families(client: Client) -> dict[str, Family]:
    client.chat("Fill the histograms", max_tokens=20, ignore_eos=True)
    text = HTTP.get(METRICS, headers=OPENMETRICS).raise_for_status().text
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_server_exposes_ours_and_nothing_else_under_our_names(
    families: dict[str, Family],
) -> None:
    live = {name for name in families if name.startswith(OURS)}
    assert live <= {metric.family for metric in MADE}
    assert live >= {metric.family for metric in MADE if not metric.absent}


@pytest.mark.parametrize("metric", SERVER, ids=lambda metric: metric.name)
def test_kind_labels_and_edges(metric: Metric, families: dict[str, Family]) -> None:
    family = families.get(metric.family)
    if family is None or (metric.absent and not family.samples):
        assert metric.absent, f"{metric.name} is not on /metrics"
        pytest.skip(metric.absent)
    assert family.type == metric.kind.value
    labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
    assert labels == {frozenset(metric.labels)}
    if metric.buckets:
        edges = {float(s.labels["le"]) for s in family.samples if "le" in s.labels}
        assert edges == {*metric.buckets, float("inf")}
    assert (metric.kind is Kind.HISTOGRAM) == any("le" in s.labels for s in family.samples)


def test_the_whole_of_metrics_stays_small(families: dict[str, Family]) -> None:
    assert not [name for name in families if name.startswith("http_")]
    assert sum(len(family.samples) for family in families.values()) < 3000


def asked() -> Iterator[str]:
    lazy = {series for metric in ALL if metric.absent for series in metric.series}
    # There only while a budget burns: tests/rules/alerts_slo_month.yaml.
    lazy.add("model_objective:slo_budget_exhaustion:seconds")
    # There only where a second backend fails: tests/rules/alerts_telemetry.yaml.
    lazy.add("job_reason:telemetry_second_missed_items:sum")
    names = {selector.name for use in uses() for selector in selectors(use.expression)}
    # What needs a GPU, and what is recorded from it, is proved by tests/rules and test_gpu.py.
    return (name for name in sorted(names - lazy) if not name.startswith("instance_gpu:"))


@pytest.mark.parametrize("name", list(asked()))
def test_every_name_that_a_rule_alert_or_board_uses_is_seen(
    name: str, families: dict[str, Family]
) -> None:
    source = BY_SERIES[name].source if name in BY_SERIES else ""
    if source in STORES and source not in (stores().traces.name, stores().logs.name):
        pytest.skip(f"{source} does not run here")

    def seen() -> bool:
        answer = HTTP.get(f"{PROMETHEUS}/api/v1/series", params={"match[]": f'{{"{name}"}}'})
        return bool(answer.raise_for_status().json()["data"])

    # The slowest group of rules is first evaluated up to 2 minutes after the start.
    poll(f"{name} in Prometheus", seen, 180)


def test_a_flood_of_models_paths_and_keys_adds_nothing_after_other(client: Client) -> None:
    def flood(requests: int) -> None:
        for _ in range(requests):
            word = secrets.token_hex(8)
            client.post(CHAT, {"model": word, "messages": []})
            client.send("GET", f"/{word}")
            client.send("POST", CHAT, json={}, headers={"authorization": f"Bearer {word}"})

    def series() -> set[str]:
        text = HTTP.get(METRICS, headers=OPENMETRICS).raise_for_status().text
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        return {line.split(" # ")[0].rpartition(" ")[0] for line in lines}

    flood(5)
    first = series()
    flood(100)
    assert series() == first
