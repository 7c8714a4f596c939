"""The Collector's configuration: whose spans and metrics become numbers of the server's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import uses
from server.signals.otlp import SERVICE_NAME

REPO = Path(__file__).resolve().parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((REPO / "otel-collector" / "collector.yaml").read_text())
CONDITIONS: list[str] = CONFIG["processors"]["filter/not_ours"]["metric_conditions"]
PIPELINES = CONFIG["service"]["pipelines"]

DROPPED = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.prompt.0.content", "gen_ai.tool.call.arguments", "gen_ai.tool.definitions",
    "gen_ai.retrieval.documents", "gen_ai.memory.records", "gen_ai.memory.query.text",
    "gen_ai.guardrail.security.content.input.value", "gen_ai.guardrail.input",
    "gen_ai.guardrail.security.content.output.value", "gen_ai.guardrail.output",
    "gen_ai.guardrail.error.message", "gen_ai.evaluation.explanation",
    "gen_ai.evaluation.input.question", "input.value", "llm.input_messages.0.message.content",
)  # fmt: skip
"""Content by the names of OpenTelemetry, older and newer, of Traceloop and of OpenInference."""
KEPT = (
    "gen_ai.guardrail.verdict.type", "gen_ai.guardrail.verdict.reason",
    "gen_ai.guardrail.target.type", "gen_ai.guardrail.security.content.input.hash",
    "gen_ai.guardrail.security.risk.score", "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label", "gen_ai.memory.store.id",
)  # fmt: skip
NAMES = Path(__file__).parents[1] / "names.yaml"


def is_content(name: str) -> bool:
    (spans, _) = CONFIG["processors"]["transform/no_content"]["trace_statements"]
    patterns = [each.split('"')[1].replace("$$", "$") for each in spans["statements"]]
    return any(re.search(pattern, name) for pattern in patterns)


def test_what_quotes_a_caller_is_dropped_and_what_judges_it_is_kept() -> None:
    assert [name for name in DROPPED if not is_content(name)] == []
    assert [name for name in KEPT if is_content(name)] == []


def test_no_attribute_of_ours_is_taken_for_content() -> None:
    ours = yaml.safe_load(NAMES.read_text())
    assert [name for name in ours["server_span"] if is_content(name)] == []


def test_spans_their_events_and_logs_are_read_by_the_same_patterns() -> None:
    filters = CONFIG["processors"]["transform/no_content"]
    span, event = filters["trace_statements"]
    assert span["statements"] == event["statements"] == filters["log_statements"][0]["statements"]


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
