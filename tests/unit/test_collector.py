"""The Collector's configuration: whose spans and metrics become numbers of the server's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import uses
from server.signals.otlp import SERVICE_NAME

REPO = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((REPO / "otel-collector" / "collector.yaml").read_text())
CONDITIONS: list[str] = CONFIG["processors"]["filter/not_ours"]["metric_conditions"]
PIPELINES = CONFIG["service"]["pipelines"]


def test_only_the_servers_own_spans_are_its_second_witness() -> None:
    (red,) = (each for each in PIPELINES.values() if "span_metrics" in each["exporters"])
    assert red["processors"][-1] == "filter/server_spans"
    conditions = CONFIG["processors"]["filter/server_spans"]["trace_conditions"]
    assert f'resource.attributes["service.name"] != "{SERVICE_NAME}"' in conditions


@pytest.mark.parametrize("name", [name for name in PIPELINES if name.startswith("metrics")])
def test_who_pushes_metrics_is_no_part_of_ours(name: str) -> None:
    pipeline = PIPELINES[name]
    assert ("otlp" in pipeline["receivers"]) != ("span_metrics" in pipeline["receivers"])
    assert ("filter/not_ours" in pipeline["processors"]) == ("otlp" in pipeline["receivers"])


def test_every_job_of_ours_is_named() -> None:
    targets = [*REPO.glob("prometheus/targets/**/*.yaml")]
    every = [each for path in targets for each in yaml.safe_load(path.read_text())]
    jobs = {each["labels"]["job"] for each in every if "labels" in each}
    (named,) = (each for each in CONDITIONS if each.startswith("IsMatch(resource"))
    assert jobs == set(re.findall(r"[a-z-]+", named.split("^(")[1].split(")$$")[0]))
    assert SERVICE_NAME in jobs


def test_every_name_that_a_rule_makes_is_nobodys() -> None:
    (named,) = (each for each in CONDITIONS if each.startswith("IsMatch(metric.name"))
    pattern = named.split('"')[1].replace("$$", "$")
    assert all(re.search(pattern, name) for name in (*uses.recorded(), "up", "ALERTS"))
    assert not re.search(pattern, "gen_ai.server.request.duration")
