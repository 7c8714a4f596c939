"""Cost: tokens x price in exact decimals, dated prices, and what has none is counted, never 0."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from server.cost import CostTracker, Price, read_prices
from server.record import Outcome, Usage
from tests.unit.helpers import STARTED_NS, TRACE_ID, delta, record, total

DAY = datetime.date(2026, 6, 1)
TINY = Price("tiny-llama", DAY, Decimal("0.10"), Decimal("0.05"), Decimal("0.40"))
PER_1K = "llm_request_cost_microdollars_per_1k_tokens"


def price(model: str, since: str, amount: str) -> Price:
    date = datetime.date.fromisoformat(since)
    return Price(model, date, Decimal(amount), Decimal(amount), Decimal(amount))


def test_cost_is_the_sum_of_the_three_disjoint_kinds() -> None:
    # 60 uncached x 0.10 + 40 cached x 0.05 + 20 out x 0.40 = 6 + 2 + 8.
    assert CostTracker([TINY]).cost(record()) == Decimal("16.00")


def test_decimals_stay_exact() -> None:
    third = Price("m", DAY, Decimal("0.1"), Decimal("0.1"), Decimal("0.2"))
    assert third.cost(Usage(3, 0, 1)) == Decimal("0.5")
    assert third.cost(Usage(10**15 + 1, 0, 0)) == Decimal("100000000000000.1")


def test_the_committed_price_file_prices_the_embedded_model() -> None:
    prices = read_prices(Path(__file__).parents[2] / "server" / "prices.yaml")
    assert CostTracker(prices).cost(record()) == Decimal("16.00")


@pytest.mark.parametrize(
    ("day", "amount"),
    [("2026-01-31", None), ("2026-02-01", "1"), ("2026-03-14", "1"), ("2026-03-15", "2"),
     ("2027-01-01", "2")],
)  # fmt: skip
def test_the_newest_price_valid_on_the_day_counts(day: str, amount: str | None) -> None:
    # Written newest first on purpose: the date decides, not the place in the file.
    tracker = CostTracker([price("m", "2026-03-15", "2"), price("m", "2026-02-01", "1")])
    found = tracker.known("m", datetime.date.fromisoformat(day))
    assert (found.input if found else None) == (Decimal(amount) if amount else None)


def test_the_day_is_the_requests_own_in_utc() -> None:
    tracker = CostTracker([price("tiny-llama", "2026-02-01", "1")])
    eve = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)
    before = record(started_ns=int(eve.timestamp()) * 10**9)
    after = record(started_ns=(int(eve.timestamp()) + 1) * 10**9)
    assert tracker.cost(before) is None
    assert tracker.cost(after) == Decimal(120)


@pytest.mark.parametrize(
    ("pattern", "model", "known"),
    [("Qwen/*", "Qwen/Qwen3-0.6B", True), ("Qwen?", "Qwen3", True), ("Qwen/*", "qwen/x", False),
     ("tiny", "tiny-llama", False), ("*", "anything", True)],
)  # fmt: skip
def test_patterns(pattern: str, model: str, known: bool) -> None:
    found = CostTracker([price(pattern, "2026-01-01", "1")]).known(model, DAY)
    assert (found is not None) is known


def test_an_unpriced_model_has_no_cost_and_is_counted() -> None:
    tracker = CostTracker([TINY])
    lost = record(model="unpriced-model")
    counted = delta("llm_unpriced_requests_total", model="unpriced-model")
    assert tracker.cost(lost) is None
    tracker.observe(lost, None)
    assert counted() == 1
    assert total("llm_cost_microdollars", "llm_cost_microdollars_total", model=lost.model) == 0
    series = [s for m in REGISTRY.collect() for s in m.samples if "cost" in s.name]
    assert not any(s.labels.get("model") == "unpriced-model" for s in series)


def test_the_model_other_never_gets_a_price_from_a_pattern() -> None:
    assert CostTracker([price("*", "2026-01-01", "1")]).cost(record(model="other")) is None


def test_what_used_no_token_has_no_cost_and_counts_nowhere() -> None:
    tracker = CostTracker([TINY])
    nothing = record(usage=Usage(), model="idle-model")
    assert tracker.cost(nothing) is None
    tracker.observe(nothing, None)
    assert total("llm_unpriced_requests", "llm_unpriced_requests_total", model="idle-model") == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_pays_for_what_it_used(outcome: Outcome) -> None:
    tracker = CostTracker([TINY])
    grown = delta("llm_cost_microdollars_total", model="tiny-llama", outcome=outcome)
    of_tenant = delta("llm_tenant_cost_microdollars_total", tenant="payer")
    paid = record(outcome=outcome, tenant="payer")
    tracker.observe(paid, tracker.cost(paid))
    assert (grown(), of_tenant()) == (16.0, 16.0)


def test_histograms_take_the_cost_and_the_cost_per_1000_output_tokens() -> None:
    tracker = CostTracker([TINY])
    grown = delta("llm_request_cost_microdollars_sum", model="tiny-llama")
    per_1k = delta(f"{PER_1K}_sum", model="tiny-llama")
    # 16 microdollars for 20 tokens are 800 for 1000.
    below, edge = (
        delta(f"{PER_1K}_bucket", model="tiny-llama", le=le) for le in ("500.0", "1000.0")
    )
    tracker.observe(record(), tracker.cost(record()))
    assert (grown(), per_1k()) == (16.0, 800.0)
    assert (below(), edge()) == (0, 1)


@pytest.mark.parametrize(
    ("output", "reason", "observed"),
    [(0, "no_output", 0), (1, "few_tokens", 0), (15, "few_tokens", 0), (16, None, 1)],
)
def test_short_answers_are_excluded_from_the_ratio_and_counted(
    output: int, reason: str | None, observed: int
) -> None:
    name, model = "llm_cost_per_1k_excluded_total", "tiny-llama"
    excluded = {r: delta(name, model=model, reason=r) for r in ("no_output", "few_tokens")}
    count = delta(f"{PER_1K}_count", model=model)
    short = record(usage=Usage(100, 0, output))
    tracker = CostTracker([TINY])
    tracker.observe(short, tracker.cost(short))
    assert {r: grown() for r, grown in excluded.items()} == {
        "no_output": float(reason == "no_output"),
        "few_tokens": float(reason == "few_tokens"),
    }
    assert count() == observed


def test_exemplars_name_the_trace_on_every_cost_instrument() -> None:
    trace_id = "c057" * 8
    tracker = CostTracker([TINY])
    tracker.observe(record(trace_id=trace_id, tenant="exemplary"), Decimal(16))
    lines = generate_latest(REGISTRY).decode().splitlines()
    found = {line.split("{")[0] for line in lines if f'# {{trace_id="{trace_id}"}}' in line}
    assert found == {
        "llm_cost_microdollars_total",
        "llm_tenant_cost_microdollars_total",
        "llm_request_cost_microdollars_bucket",
        "llm_request_cost_microdollars_per_1k_tokens_bucket",
    }


def test_the_sum_over_all_labels_is_what_was_spent() -> None:
    name = "llm_cost_microdollars"
    before = total(name, f"{name}_total")
    tracker = CostTracker([TINY])
    for outcome, tenant in ((Outcome.OK, "a"), (Outcome.ABORTED, "a"), (Outcome.TIMEOUT, "b")):
        paid = record(outcome=outcome, tenant=tenant)
        tracker.observe(paid, tracker.cost(paid))
    assert total(name, f"{name}_total") - before == pytest.approx(48.0)


def test_label_sets_of_a_priced_model_exist_before_the_first_request() -> None:
    tracker = CostTracker([price("new-model", "2026-01-01", "1")])
    tracker.create_label_sets(["new-model"], ["new-tenant"])
    for outcome in Outcome:
        labels = {"model": "new-model", "outcome": outcome.value}
        assert REGISTRY.get_sample_value("llm_cost_microdollars_total", labels) == 0.0
    tenant = {"tenant": "new-tenant"}
    assert REGISTRY.get_sample_value("llm_tenant_cost_microdollars_total", tenant) == 0.0
    for reason in ("no_output", "few_tokens"):
        labels = {"model": "new-model", "reason": reason}
        assert REGISTRY.get_sample_value("llm_cost_per_1k_excluded_total", labels) == 0.0
    per_1k = "llm_request_cost_microdollars_per_1k_tokens_count"
    assert REGISTRY.get_sample_value(per_1k, {"model": "new-model"}) == 0.0


def test_a_model_without_a_price_has_no_cost_of_zero() -> None:
    CostTracker([]).create_label_sets(["free-model"], ["free-tenant"])
    unpriced = REGISTRY.get_sample_value("llm_unpriced_requests_total", {"model": "free-model"})
    assert unpriced == 0.0
    labels = {"model": "free-model", "outcome": "ok"}
    assert REGISTRY.get_sample_value("llm_cost_microdollars_total", labels) is None
    tenant = {"tenant": "free-tenant"}
    assert REGISTRY.get_sample_value("llm_tenant_cost_microdollars_total", tenant) is None


def test_the_helper_record_is_on_a_priced_day() -> None:
    day = datetime.datetime.fromtimestamp(STARTED_NS / 1e9, datetime.UTC).date()
    assert day >= DAY
    assert len(TRACE_ID) == 32
