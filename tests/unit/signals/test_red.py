"""RED: every outcome is in the histograms, exemplars name the trace, grids are as promised."""

from itertools import pairwise

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from server.catalogue import grids
from server.record.request import Operation, Outcome, Phase, Usage
from server.signals import instruments, red
from tests.unit.helpers import delta, killed_record, record, total

DURATION = "gen_ai_server_request_duration_seconds"
MODEL = {"model": "tiny-llama"}
CHAT = {**MODEL, "operation": "chat"}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_in_the_duration_histogram(outcome: Outcome) -> None:
    count = delta(f"{DURATION}_count", **MODEL, outcome=outcome)
    seconds = delta(f"{DURATION}_sum", **MODEL, outcome=outcome)
    red.observe(record(outcome=outcome, reason=red.REASONS[outcome][0]))
    assert (count(), seconds()) == (1, 1.0)


def test_a_request_is_counted_once_with_outcome_and_reason() -> None:
    labels = {"outcome": "aborted", "reason": "client_disconnect"}
    grown = delta("llm_requests_total", **CHAT, **labels)
    of_tenant = delta("llm_tenant_requests_total", tenant="default", outcome="aborted")
    before = total("llm_requests", "llm_requests_total")
    red.observe(record(outcome=Outcome.ABORTED, reason="client_disconnect"))
    assert (grown(), of_tenant()) == (1, 1)
    assert total("llm_requests", "llm_requests_total") - before == 1


def test_a_killed_request_is_counted_but_never_timed() -> None:
    killed = {"outcome": "server_error", "reason": "killed"}
    counted = delta("llm_requests_total", **CHAT, **killed)
    timed = delta(f"{DURATION}_count", **MODEL, outcome="server_error")
    phases = total("llm_request_phase_seconds", "llm_request_phase_seconds_count")
    red.observe(killed_record())
    assert (counted(), timed()) == (1, 0)
    assert total("llm_request_phase_seconds", "llm_request_phase_seconds_count") == phases


def test_ttft_and_tpot() -> None:
    ttft = delta("gen_ai_server_time_to_first_token_seconds_sum", **MODEL)
    tpot = delta("gen_ai_server_time_per_output_token_seconds_sum", **MODEL)
    red.observe(record())
    assert (ttft(), tpot()) == (0.3, 0.03)


def test_what_is_not_known_is_not_observed() -> None:
    ttft = delta("gen_ai_server_time_to_first_token_seconds_count", **MODEL)
    tpot = delta("gen_ai_server_time_per_output_token_seconds_count", **MODEL)
    red.observe(record(time_to_first_token_seconds=None, time_per_output_token_seconds=None))
    assert (ttft(), tpot()) == (0, 0)


def test_phases_sum_to_the_duration() -> None:
    name = "llm_request_phase_seconds_sum"
    grown = {phase: delta(name, model="tiny-llama", phase=phase) for phase in red.PHASES}
    red.observe(record())
    seconds = {phase: each() for phase, each in grown.items()}
    assert seconds == pytest.approx(
        {"tokenize": 0.1, "queue": 0.1, "prefill": 0.1, "decode": 0.6, "deliver": 0.1}
    )
    assert sum(seconds.values()) == pytest.approx(1.0)


def test_an_incomplete_phase_is_left_out() -> None:
    name = "llm_request_phase_seconds_count"
    queue = delta(name, model="tiny-llama", phase="queue")
    tokenize = delta(name, model="tiny-llama", phase="tokenize")
    phases = (Phase("tokenize", 0.0, 0.1), Phase("queue", 0.1, 1.0, complete=False))
    red.observe(record(phases=phases))
    assert (tokenize(), queue()) == (1, 0)


def test_tokens_are_disjoint_kinds_that_sum_to_what_was_used() -> None:
    kinds = ("input_uncached", "input_cached", "output")
    grown = {kind: delta("llm_tokens_total", **MODEL, kind=kind) for kind in kinds}
    tenants = {k: delta("llm_tenant_tokens_total", tenant="default", kind=k) for k in kinds}
    red.observe(record(outcome=Outcome.ABORTED, reason="client_disconnect"))
    used = {"input_uncached": 60, "input_cached": 40, "output": 20}
    assert {kind: each() for kind, each in grown.items()} == used
    assert {kind: each() for kind, each in tenants.items()} == used


def test_the_tokens_of_a_request_are_those_that_the_engine_computed() -> None:
    grown = delta("llm_request_tokens_sum", **MODEL)
    count = delta("llm_request_tokens_count", **MODEL)
    red.observe(record())
    red.observe(record(usage=Usage()))
    # 60 uncached and 20 out; who used nothing is no request of 0 tokens.
    assert (grown(), count()) == (80, 1)


def test_every_histogram_carries_the_trace_as_exemplar() -> None:
    trace_id = "4ed0" * 8
    red.observe(record(trace_id=trace_id))
    lines = generate_latest(REGISTRY).decode().splitlines()
    found = [line for line in lines if f'# {{trace_id="{trace_id}"}}' in line]
    assert {line.split("{")[0] for line in found} == {
        "gen_ai_server_request_duration_seconds_bucket",
        "gen_ai_server_time_to_first_token_seconds_bucket",
        "gen_ai_server_time_per_output_token_seconds_bucket",
        "llm_request_phase_seconds_bucket",
        "llm_request_tokens_bucket",
    }
    assert {p for p in red.PHASES for line in found if f'phase="{p}"' in line} == set(red.PHASES)


def test_known_label_sets_exist_before_the_first_request() -> None:
    red.create_label_sets(["fresh"], ["t1"], (Operation.CHAT, Operation.TEXT_COMPLETION))
    for operation in ("chat", "text_completion"):
        for outcome, reasons in red.REASONS.items():
            for reason in set(reasons) - set(red.BEFORE_MODEL):
                labels = {"model": "fresh", "operation": operation,
                          "outcome": outcome.value, "reason": reason}  # fmt: skip
                assert REGISTRY.get_sample_value("llm_requests_total", labels) == 0.0
            labels = {"model": "fresh", "outcome": outcome.value}
            assert REGISTRY.get_sample_value(f"{DURATION}_count", labels) == 0.0
    for phase in red.PHASES:
        labels = {"model": "fresh", "phase": phase}
        assert REGISTRY.get_sample_value("llm_request_phase_seconds_count", labels) == 0.0
    for kind in ("input_uncached", "input_cached", "output"):
        labels = {"model": "fresh", "kind": kind}
        assert REGISTRY.get_sample_value("llm_tokens_total", labels) == 0.0
        labels = {"tenant": "t1", "kind": kind}
        assert REGISTRY.get_sample_value("llm_tenant_tokens_total", labels) == 0.0
    for outcome in Outcome:
        labels = {"tenant": "t1", "outcome": outcome.value}
        assert REGISTRY.get_sample_value("llm_tenant_requests_total", labels) == 0.0
    assert REGISTRY.get_sample_value("llm_requests_in_flight", {"model": "fresh"}) == 0.0
    assert REGISTRY.get_sample_value("llm_request_tokens_count", {"model": "fresh"}) == 0.0


def test_every_outcome_has_reasons_and_no_reason_has_two_outcomes() -> None:
    assert set(red.REASONS) == set(Outcome)
    every = [reason for reasons in red.REASONS.values() for reason in reasons]
    assert len(every) == len(set(every))


GRIDS = {
    "requests": (grids.REQUEST_SECONDS, 2.0),
    "tokens": (grids.TOKEN_SECONDS, 1.8),
    "phases": (grids.PHASE_SECONDS, 5.0),
    "cost": (grids.COST_MICRODOLLARS, 5.0),
}


@pytest.mark.parametrize(("grid", "worst"), GRIDS.values(), ids=GRIDS.keys())
def test_grids_rise_and_their_worst_ratio_of_neighbours_is_known(
    grid: tuple[float, ...], worst: float
) -> None:
    assert all(low < high for low, high in pairwise(grid))
    assert grids.worst_ratio(grid) == pytest.approx(worst, abs=0.1)


def test_slos_thresholds_and_the_deadline_are_inner_edges() -> None:
    for grid in (grids.REQUEST_SECONDS, grids.PHASE_SECONDS):
        assert 600.0 in grid[1:-1]
    assert 100_000.0 in grids.COST_MICRODOLLARS[1:-1]
    assert (grids.REQUEST_SECONDS[0], grids.REQUEST_SECONDS[-1]) == (0.02, 1200.0)
    assert (grids.TOKEN_SECONDS[0], grids.TOKEN_SECONDS[-1]) == (0.001, 5.0)
    assert (grids.PHASE_SECONDS[0], grids.PHASE_SECONDS[-1]) == (0.0001, 1200.0)
    assert (grids.COST_MICRODOLLARS[0], grids.COST_MICRODOLLARS[-1]) == (1.0, 1e8)


def test_edges_are_exposed_in_the_spelling_that_rules_use() -> None:
    red.create_label_sets(["edges"], ["default"], ())
    instruments.REQUEST_COST_PER_1K.labels("edges")
    text = generate_latest(REGISTRY).decode()
    assert (
        'llm_request_cost_microdollars_per_1k_tokens_bucket{le="100000.0",model="edges"} 0.0'
    ) in text
    assert 'le="600.0",model="edges",outcome="ok"} 0.0' in text


def test_operation_values_are_the_conventions() -> None:
    of_the_convention = ["chat", "text_completion", "embeddings"]
    assert [operation.value for operation in Operation][:3] == of_the_convention
    assert Usage(5, 2, 1).uncached_input_tokens == 3
