"""Cost: tokens x price in exact decimals, dated prices, and what has none is counted, never 0."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from server.pricing.price_file import PriceFile
from server.pricing.price_list import Price, PriceList
from server.pricing.request_cost import CostTracker
from server.record import waste
from server.record.request import GpuUse, Outcome, Usage
from tests.unit.helpers import STARTED_NS, TRACE_ID, delta, entry, in_force, record, total, value

DAY = datetime.date(2026, 6, 1)
TINY = entry("tiny-llama", "0.10", "0.05", "0.40", since="2026-06-01")
PER_1K = "llm_request_cost_microdollars_per_1k_tokens"
GPU_PER_1K = "llm_request_gpu_cost_microdollars_per_1k_tokens"
GPU = GpuUse(10**9, 27_000, 60, 20, (1, 1))


def test_cost_is_the_sum_of_the_three_disjoint_kinds() -> None:
    # 60 uncached x 0.10 + 40 cached x 0.05 + 20 out x 0.40 = 6 + 2 + 8.
    assert CostTracker(in_force(TINY)).cost(record()) == Decimal("16.00")


def test_decimals_stay_exact() -> None:
    third = Price(Decimal("0.1"), Decimal("0.1"), Decimal("0.2"))
    assert third.cost(Usage(3, 0, 1)) == Decimal("0.5")
    assert third.cost(Usage(10**15 + 1, 0, 0)) == Decimal("100000000000000.1")


def test_the_committed_price_file_prices_the_embedded_model() -> None:
    prices = PriceFile(Path(__file__).parents[3] / "server" / "prices.yaml")
    assert CostTracker(prices).cost(record()) == Decimal("16.00")


def test_the_day_is_the_requests_own_in_utc() -> None:
    tracker = CostTracker(in_force(entry("tiny-llama", "1", "1", "1", since="2026-02-01")))
    eve = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)
    before = record(started_ns=int(eve.timestamp()) * 10**9)
    after = record(started_ns=(int(eve.timestamp()) + 1) * 10**9)
    assert tracker.cost(before) is None
    assert tracker.cost(after) == Decimal(120)


def test_an_unpriced_model_has_no_cost_and_is_counted() -> None:
    tracker = CostTracker(in_force(TINY))
    lost = record(model="unpriced-model")
    counted = delta("llm_unpriced_requests_total", model="unpriced-model")
    assert tracker.cost(lost) is None
    tracker.observe(lost, None)
    assert counted() == 1
    assert total("llm_cost_microdollars", "llm_cost_microdollars_total", model=lost.model) == 0
    series = [s for m in REGISTRY.collect() for s in m.samples if "cost" in s.name]
    assert not any(s.labels.get("model") == "unpriced-model" for s in series)


def test_a_model_without_a_price_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    tracker = CostTracker(in_force(TINY))
    for model in ("free-1", "free-2", "free-1"):
        tracker.observe(record(model=model), None)
    said = [message for message in caplog.messages if "has no price" in message]
    assert [text.split()[1] for text in said] == ["free-1", "free-2"]


def test_the_model_other_never_gets_a_price_from_a_pattern() -> None:
    assert CostTracker(in_force(entry("*", "1", "1", "1"))).cost(record(model="other")) is None


def test_what_used_no_token_has_no_cost_and_counts_nowhere() -> None:
    tracker = CostTracker(in_force(TINY))
    nothing = record(usage=Usage(), model="idle-model")
    assert tracker.cost(nothing) is None
    tracker.observe(nothing, None)
    assert total("llm_unpriced_requests", "llm_unpriced_requests_total", model="idle-model") == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_pays_for_what_it_used(outcome: Outcome) -> None:
    tracker = CostTracker(in_force(TINY))
    grown = delta("llm_cost_microdollars_total", model="tiny-llama", outcome=outcome)
    of_tenant = delta("llm_tenant_cost_microdollars_total", tenant="payer")
    paid = record(outcome=outcome, tenant="payer")
    tracker.observe(paid, tracker.cost(paid))
    assert (grown(), of_tenant()) == (16.0, 16.0)


def test_histograms_take_the_cost_and_the_cost_per_1000_output_tokens() -> None:
    tracker = CostTracker(in_force(TINY))
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
    tracker = CostTracker(in_force(TINY))
    tracker.observe(short, tracker.cost(short))
    assert {r: grown() for r, grown in excluded.items()} == {
        "no_output": float(reason == "no_output"),
        "few_tokens": float(reason == "few_tokens"),
    }
    assert count() == observed


def test_exemplars_name_the_trace_on_every_cost_instrument() -> None:
    trace_id = "c057" * 8
    tracker = CostTracker(in_force(TINY), ["exemplary"])
    told = record(trace_id=trace_id, tenant="exemplary", reason="length", gpu=GPU)
    tracker.observe(told, Decimal(16))
    lines = generate_latest(REGISTRY).decode().splitlines()
    found = {line.split("{")[0] for line in lines if f'# {{trace_id="{trace_id}"}}' in line}
    assert found == {
        "llm_cost_microdollars_total",
        "llm_tenant_cost_microdollars_total",
        "llm_request_cost_microdollars_bucket",
        "llm_request_cost_microdollars_per_1k_tokens_bucket",
        "llm_wasted_cost_microdollars_total",
        "llm_cache_savings_microdollars_total",
        "llm_watched_tenant_cost_microdollars_bucket",
        "llm_request_gpu_cost_microdollars_bucket",
        "llm_request_gpu_cost_microdollars_per_1k_tokens_bucket",
        "llm_watched_tenant_gpu_cost_microdollars_bucket",
    }


def test_the_sum_over_all_labels_is_what_was_spent() -> None:
    name = "llm_cost_microdollars"
    before = total(name, f"{name}_total")
    tracker = CostTracker(in_force(TINY))
    for outcome, tenant in ((Outcome.OK, "a"), (Outcome.ABORTED, "a"), (Outcome.TIMEOUT, "b")):
        paid = record(outcome=outcome, tenant=tenant)
        tracker.observe(paid, tracker.cost(paid))
    assert total(name, f"{name}_total") - before == pytest.approx(48.0)


WASTE = [
    (Outcome.ABORTED, "client_disconnect", False, "aborted"),
    (Outcome.ABORTED, "client_disconnect", True, "aborted"),
    (Outcome.TIMEOUT, "deadline", True, "aborted"),
    (Outcome.SERVER_ERROR, "engine_error", True, "failed"),
    (Outcome.OK, "length", True, "truncated"),
    (Outcome.OK, "length", False, "truncated"),
    (Outcome.OK, "stop", True, "retried"),
    (Outcome.OK, "stop", False, None),
    (Outcome.CLIENT_ERROR, "bad_request", True, None),
]


@pytest.mark.parametrize(("outcome", "reason", "retry", "kind"), WASTE)
def test_a_cost_is_one_kind_of_waste_at_most(
    outcome: Outcome, reason: str, retry: bool, kind: str | None
) -> None:
    name = "llm_wasted_cost_microdollars_total"
    grown = {one: delta(name, model="tiny-llama", waste=one) for one in waste.KINDS}
    tracker = CostTracker(in_force(TINY))
    spent = record(outcome=outcome, reason=reason, retry=retry)
    tracker.observe(spent, tracker.cost(spent))
    assert {one: each() for one, each in grown.items()} == {
        one: 16.0 * (one == kind) for one in waste.KINDS
    }


@pytest.mark.parametrize(
    ("uncached", "cached", "saved"), [("0.10", "0.05", 2.0), ("0.10", "0", 4.0), ("1", "2", 0.0)]
)
def test_what_the_cache_saved_is_never_below_zero(uncached: str, cached: str, saved: float) -> None:
    tracker = CostTracker(in_force(entry("tiny-llama", uncached, cached, "1")))
    grown = delta("llm_cache_savings_microdollars_total", model="tiny-llama")
    tracker.observe(record(), tracker.cost(record()))
    assert grown() == saved


def test_savings_have_a_series_before_the_first_of_them() -> None:
    tracker = CostTracker(in_force(entry("*", "0.10", "0.05", "0.40")))
    first = record(model="savings-late", usage=Usage(100, 0, 20))
    tracker.observe(first, tracker.cost(first))
    labels = {"model": "savings-late"}
    assert REGISTRY.get_sample_value("llm_cache_savings_microdollars_total", labels) == 0.0


def test_the_exemplar_of_savings_is_a_request_that_saved_something() -> None:
    tracker = CostTracker(in_force(TINY))
    saving, without = record(), record(trace_id="f" * 32, usage=Usage(100, 0, 20))
    for each in (saving, without):
        tracker.observe(each, tracker.cost(each))
    samples = (sample for found in REGISTRY.collect() for sample in found.samples)
    (exemplar,) = (
        sample.exemplar
        for sample in samples
        if sample.name == "llm_cache_savings_microdollars_total"
        and sample.labels == {"model": "tiny-llama"}
    )
    assert exemplar is not None
    assert exemplar.labels == {"trace_id": TRACE_ID}


@given(
    st.builds(Usage, st.integers(0, 10**6), st.just(0), st.integers(0, 10**6)),
    st.integers(0, 10**6),
    st.tuples(*[st.decimals(0, 1000, places=4)] * 3),
)
def test_what_was_saved_and_paid_is_the_price_without_a_cache(
    usage: Usage, cached: int, amounts: tuple[Decimal, Decimal, Decimal]
) -> None:
    uncached, cheaper = max(amounts[:2]), min(amounts[:2])
    price = Price(uncached, cheaper, amounts[2])
    used = Usage(usage.input_tokens + cached, cached, usage.output_tokens)
    without = Usage(used.input_tokens, 0, used.output_tokens)
    assert price.cost(used) + price.saved(used) == price.cost(without)


def test_watched_tenants_have_a_histogram_and_nobody_else() -> None:
    tracker = CostTracker(in_force(TINY), ["seen"])
    name = "llm_watched_tenant_cost_microdollars"
    gpu = "llm_watched_tenant_gpu_cost_microdollars"
    for tenant in ("seen", "unseen"):
        tracker.observe(record(tenant=tenant, gpu=GPU), Decimal(16))
    assert (value(f"{name}_sum", tenant="seen"), value(f"{gpu}_sum", tenant="seen")) == (16.0, 27.0)
    for one in (name, gpu):
        assert REGISTRY.get_sample_value(f"{one}_count", {"tenant": "unseen"}) is None


def test_device_time_costs_what_it_cost_with_or_without_a_list_price() -> None:
    cost = delta("llm_request_gpu_cost_microdollars_sum", model="own-model")
    per_1k = delta(f"{GPU_PER_1K}_sum", model="own-model")
    CostTracker(in_force()).observe(record(model="own-model", gpu=GPU), None)
    # 27 microdollars for 20 tokens are 1350 for 1000.
    assert (cost(), per_1k()) == (27.0, 1350.0)


@pytest.mark.parametrize(("output", "observed"), [(0, 0), (15, 0), (16, 1)])
def test_short_answers_have_no_ratio_by_device_time(output: int, observed: int) -> None:
    count = delta(f"{GPU_PER_1K}_count", model="tiny-llama")
    whole = delta("llm_request_gpu_cost_microdollars_count", model="tiny-llama")
    short = record(usage=Usage(100, 0, output), gpu=GPU)
    CostTracker(in_force()).observe(short, None)
    assert (whole(), count()) == (1, observed)


def test_a_prompt_abandoned_halfway_used_device_time_and_no_tokens() -> None:
    whole = delta("llm_request_gpu_cost_microdollars_sum", model="tiny-llama")
    CostTracker(in_force(TINY)).observe(record(usage=Usage(), gpu=GPU), None)
    assert whole() == 27.0


@pytest.mark.parametrize("use", [None, GpuUse(10**9, None, 60, 20, (1, 1))])
def test_device_time_without_a_price_has_no_cost_of_zero(use: GpuUse | None) -> None:
    whole = delta("llm_request_gpu_cost_microdollars_count", model="tiny-llama")
    CostTracker(in_force(TINY)).observe(record(gpu=use), Decimal(16))
    assert whole() == 0


def test_a_changed_price_file_counts_from_the_next_request() -> None:
    prices = in_force(TINY)
    tracker = CostTracker(prices)
    assert tracker.cost(record()) == Decimal(16)
    prices.current = PriceList((entry("tiny-llama", "1", "1", "1"),))
    assert tracker.cost(record()) == Decimal(120)


def test_label_sets_of_a_priced_model_exist_before_the_first_request() -> None:
    tracker = CostTracker(in_force(entry("new-model", "1", "1", "1")), ["new-watched"])
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
    for kind in waste.KINDS:
        labels = {"model": "new-model", "waste": kind}
        assert REGISTRY.get_sample_value("llm_wasted_cost_microdollars_total", labels) == 0.0
    savings = "llm_cache_savings_microdollars_total"
    assert REGISTRY.get_sample_value(savings, {"model": "new-model"}) == 0.0
    watched = "llm_watched_tenant_cost_microdollars_count"
    assert REGISTRY.get_sample_value(watched, {"tenant": "new-watched"}) == 0.0
    assert REGISTRY.get_sample_value(f"{GPU_PER_1K}_count", {"model": "new-model"}) is None


def test_label_sets_of_device_time_are_made_when_it_is_accounted() -> None:
    CostTracker(in_force(), ["gpu-watched"]).create_gpu_label_sets(["gpu-model"])
    for name in ("llm_request_gpu_cost_microdollars", GPU_PER_1K):
        assert REGISTRY.get_sample_value(f"{name}_count", {"model": "gpu-model"}) == 0.0
    watched = "llm_watched_tenant_gpu_cost_microdollars_count"
    assert REGISTRY.get_sample_value(watched, {"tenant": "gpu-watched"}) == 0.0


def test_a_model_without_a_price_has_no_cost_of_zero() -> None:
    CostTracker(in_force()).create_label_sets(["free-model"], ["free-tenant"])
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
