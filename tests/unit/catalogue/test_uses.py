"""Where a metric is used: which words of a runbook are queries, and which are prose."""

from pathlib import Path

import pytest

from server.catalogue import BY_SERIES
from server.catalogue.uses import Use, uses, wrong


def of_runbook(repo: Path, text: str) -> list[Use]:
    """The queries of a checkout whose only runbook says this."""
    book = repo / "docs/runbooks/use.md"
    book.parent.mkdir(parents=True)
    book.write_text(text, encoding="utf-8")
    sources = repo / "grafana/provisioning/datasources/datasources.yaml"
    sources.parent.mkdir(parents=True)
    sources.write_text("datasources: []", encoding="utf-8")
    return uses(repo)


@pytest.mark.parametrize(
    "query",
    [
        "model_objective:slo_burn:ratio1h",
        "model_objective:slo_burn:ratio1h > 1",
        'model_objective:slo_burn:ratio1h{model="m"}',
        'llm_server_not_ready{job="llm-server", reason="engine_stalled"}',
        'llm_server_not_ready{job!="x"}[5m]',
        "sum(up)",
        "3600 / 1e6 * sum(up)",
    ],
)
def test_a_query_of_a_runbook_is_seen(tmp_path: Path, query: str) -> None:
    (found,) = of_runbook(tmp_path, f"1. How bad? `{query}`, on the board.")
    assert found == Use("line 1 (docs/runbooks/use.md)", query)


@pytest.mark.parametrize(
    "prose",
    [
        "server_error",
        "LLM_SERVER_STATE_DIR",
        "vllm:inter_token_latency_seconds",
        "docker compose restart server",
        "127.0.0.1:9464",
        '{service_name="llm-server"} | event="request_finished"',
        '{"service.name"="llm-server"} event:=request_finished tenant:="T"',
        "--max-model-len",
    ],
)
def test_prose_of_a_runbook_is_no_query(tmp_path: Path, prose: str) -> None:
    assert of_runbook(tmp_path, f"1. See `{prose}`.") == []


def test_a_recorded_name_that_no_rule_makes_is_named(tmp_path: Path) -> None:
    (found,) = of_runbook(tmp_path, "See `model_objective:slo_burn:ratio1year`.")
    (fault,) = wrong(found, BY_SERIES, set())
    assert "nothing exposes model_objective:slo_burn:ratio1year" in fault
