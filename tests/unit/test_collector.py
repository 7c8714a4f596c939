"""The Collector's configuration: whose spans and metrics become numbers of the server's."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server.telemetry import SERVICE_NAME

CONFIG: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "otel-collector" / "collector.yaml").read_text()
)
PIPELINES = CONFIG["service"]["pipelines"]


def test_only_the_servers_own_spans_are_its_second_witness() -> None:
    (red,) = (each for each in PIPELINES.values() if "span_metrics" in each["exporters"])
    assert red["processors"][-1] == "filter/server_spans"
    conditions = CONFIG["processors"]["filter/server_spans"]["trace_conditions"]
    assert f'resource.attributes["service.name"] != "{SERVICE_NAME}"' in conditions


@pytest.mark.parametrize("name", [name for name in PIPELINES if name.startswith("metrics")])
def test_who_pushes_metrics_is_not_the_server(name: str) -> None:
    pipeline = PIPELINES[name]
    assert ("otlp" in pipeline["receivers"]) != ("span_metrics" in pipeline["receivers"])
    assert ("filter/not_the_server" in pipeline["processors"]) == ("otlp" in pipeline["receivers"])
    (condition,) = CONFIG["processors"]["filter/not_the_server"]["metric_conditions"]
    assert condition == f'resource.attributes["service.name"] == "{SERVICE_NAME}"'
