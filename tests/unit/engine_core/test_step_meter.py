"""The meter: every nanosecond goes somewhere once, and a step's shares are its Shapley values."""

from collections import Counter
from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine_core import step_meter
from server.engine_core.step_meter import STALL_FACTOR, Ints, StepMeter, split
from server.engine_core.step_model import Coefficients, Floats, StepModel
from tests.unit.steps import Engine, Request

COEFFICIENTS: Coefficients = (5e6, 30e3, 200e3, 700.0)
Member = tuple[int, int, int]
members = st.tuples(st.integers(0, 512), st.integers(0, 4), st.integers(1, 4000)).filter(
    lambda member: 0 < member[0] + member[1] <= member[2]
)


def cost(coalition: list[Member], coefficients: Coefficients = COEFFICIENTS) -> float:
    """What a step of these requests alone takes by the linear model; nothing takes nothing."""
    if not coalition:
        return 0.0
    prefill, decode, kv = (sum(part) for part in zip(*coalition, strict=True))
    step, per_prefill, per_decode, per_kv = coefficients
    return step + per_prefill * prefill + per_decode * decode + per_kv * kv


def shapley(batch: list[Member], coefficients: Coefficients = COEFFICIENTS) -> list[float]:
    """Brute force: each one's marginal cost, averaged over every order of arrival."""
    shares = [0.0] * len(batch)
    for order in permutations(range(len(batch))):
        for place, index in enumerate(order):
            before = [batch[other] for other in order[:place]]
            after = [*before, batch[index]]
            shares[index] += cost(after, coefficients) - cost(before, coefficients)
    return [share / factorial(len(batch)) for share in shares]


def shared(
    batch: list[Member], elapsed: int, coefficients: Coefficients = COEFFICIENTS
) -> list[int]:
    """What the meter charges for one step of the batch that took `elapsed` ns."""
    meter = StepMeter(StepModel(coefficients, fitted=True), 0)
    requests, tokens = {}, {}
    for number, (prefill, decode, kv) in enumerate(batch):
        request = Request(f"r{number}", num_prompt_tokens=0, answer=9)
        request.num_computed_tokens = kv
        request.num_prompt_tokens = kv - decode if prefill else 0
        requests[request.request_id] = request
        tokens[request.request_id] = prefill + decode
    meter.scheduled(0, tokens, list(tokens), requests, ())
    meter.done(elapsed, tokens, list(tokens), False)
    used = {s.request_id: s for s in meter.report().settlements}
    for name, (prefill, decode, _) in zip(tokens, batch, strict=True):
        assert (used[name].prefill_tokens, used[name].decode_tokens) == (prefill, decode)
    return [used[name].nanoseconds for name in tokens]


@given(st.lists(members, min_size=1, max_size=6), st.floats(0.3, 3.0))
def test_shares_are_the_shapley_values_rescaled_to_the_measured_time(
    batch: list[Member], factor: float
) -> None:
    elapsed = int(cost(batch) * factor)
    expected = [share * elapsed / cost(batch) for share in shapley(batch)]
    found = shared(batch, elapsed)
    assert sum(found) == elapsed
    assert found == pytest.approx(expected, abs=len(batch) + 1e-6 * elapsed)


@pytest.mark.parametrize("ahead", [1, 2])
def test_shares_are_shapley_values_in_simulated_schedules(
    ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrivals, chunks, preemption, aborts, coefficients that are being learned meanwhile."""
    engine = Engine(5, ahead)
    told: list[tuple[Coefficients, int, list[int]]] = []

    def record(ns: int, weights: Floats) -> Ints:
        shares = split(ns, weights)
        told.append((engine.meter.model.coefficients, ns, shares.tolist()))
        return shares

    monkeypatch.setattr(step_meter, "split", record)
    engine.run(400)
    engine.drain()
    assert len({coefficients for coefficients, _, _ in told}) > 1
    for (step, _), (coefficients, ns, shares) in zip(engine.measured, told, strict=True):
        batch = [
            (step.prefill[name], added - step.prefill[name], step.kv[name])
            for name, added in step.tokens.items()
        ]
        if len(batch) <= 5:
            expected = shapley(batch, coefficients)
            scale = ns / sum(expected)
            assert shares == pytest.approx([e * scale for e in expected], abs=len(batch), rel=1e-6)


def test_the_worked_example_of_the_docs() -> None:
    """docs/cost.md works this step out by hand."""
    coefficients = (2e6, 60e3, 130e3, 300.0)
    found = shared([(100, 0, 100), (0, 1, 400)], 9_000_000, coefficients)
    # Rounded down, and the nanosecond that is left goes to the heavier.
    assert found == [7_641_305, 1_358_695]


@given(st.integers(0, 10**12), st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=300))
def test_a_split_is_exact_and_nobody_pays_less_than_nothing(ns: int, weights: list[float]) -> None:
    shares = split(ns, np.array(weights))
    assert int(shares.sum()) == ns
    assert (shares >= 0).all()


@pytest.mark.parametrize("ahead", [1, 2])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_every_nanosecond_is_somewhere_once(ahead: int, seed: int) -> None:
    engine = Engine(seed, ahead, stalls=0.01)
    engine.run(400)
    settled = 0
    for report in engine.reports:
        settled += sum(s.nanoseconds for s in report.settlements)
        assert report.cursor - report.origin == report.idle + report.stall + settled + report.open
    engine.drain()
    last = engine.reports[-1]
    assert last.open == 0
    assert last.cursor == engine.now


@pytest.mark.parametrize("ahead", [1, 2])
def test_thousands_of_steps_settle_every_request_once_with_what_it_used(ahead: int) -> None:
    engine = Engine(7, ahead)
    engine.run(5000)
    engine.drain()
    settlements = list(engine.settlements())
    names = Counter(settlement.request_id for settlement in settlements)
    assert set(names.values()) == {1}
    assert len(names) == engine.made
    computed = sum(sum(step.tokens.values()) for step, _ in engine.measured)
    assert sum(s.prefill_tokens + s.decode_tokens for s in settlements) == computed
    recomputed = sum(sum(step.prefill.values()) for step, _ in engine.measured)
    assert sum(s.prefill_tokens for s in settlements) == recomputed


def test_what_aborts_pays_for_the_step_that_still_holds_it() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    a, b = Request("a", 10, 9), Request("b", 10, 9)
    requests = {"a": a, "b": b}
    first, second = {"a": 10, "b": 10}, {"a": 1, "b": 1}
    a.num_computed_tokens = b.num_computed_tokens = 10
    meter.scheduled(0, first, ["a", "b"], requests, ())
    a.num_computed_tokens = b.num_computed_tokens = 11
    meter.scheduled(0, second, (), requests, ())
    # `a` ends with the first step's output, while the second has it already.
    meter.done(4_000_000, first, ["a"], True)
    assert not meter.report().settlements
    meter.done(10_000_000, second, ["a"], True)
    (settled,) = meter.report().settlements
    assert (settled.request_id, settled.nanoseconds) == ("a", 5_000_000)


def test_a_request_that_never_ran_is_settled_with_nothing() -> None:
    meter = StepMeter(StepModel(), 0)
    meter.scheduled(5, {}, (), {}, {"never"})
    meter.done(9, {}, (), False)
    (settled,) = meter.report().settlements
    assert settled.request_id == "never"
    assert settled.nanoseconds == settled.scheduled_ns == 0


def test_time_between_steps_is_the_next_steps_while_requests_remain() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    request = Request("a", 4, 9, num_computed_tokens=4)
    meter.begin(100)
    first, second = {"a": 4}, {"a": 1}
    meter.scheduled(100, first, ["a"], {"a": request}, ())
    meter.done(1000, first, (), True)
    meter.begin(1300)
    meter.scheduled(1300, second, (), {"a": request}, ())
    meter.done(2000, second, ["a"], False)
    meter.begin(5000)
    report = meter.report()
    assert (report.idle, report.settlements[0].nanoseconds) == (100 + 3000, 1900)


def test_waiting_without_a_step_is_idle() -> None:
    meter = StepMeter(StepModel(), 0)
    meter.done(10, {}, (), True)
    meter.begin(50)
    meter.scheduled(60, {}, (), {}, ())
    assert meter.report().idle == 60


def test_a_stall_is_charged_to_nobody_and_not_learned() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    request = Request("a", 3, 9, num_computed_tokens=3)
    tokens = {"a": 3}
    meter.scheduled(0, tokens, ["a"], {"a": request}, ())
    meter.done(20 * 10**9, tokens, ["a"], False)
    report = meter.report()
    predicted = int(cost([(3, 0, 3)]))
    assert predicted * STALL_FACTOR < 20 * 10**9
    assert report.settlements[0].nanoseconds == predicted
    assert report.stall == 20 * 10**9 - predicted
    assert report.error is None


def test_a_preempted_request_pays_again_for_what_it_computes_again() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    request = Request("a", 10, 9, num_computed_tokens=10)
    for tokens, computed, entering in (
        ({"a": 10}, 10, ["a"]), ({"a": 1}, 11, []), ({"a": 1}, 12, []), ({"a": 12}, 12, ["a"]),
        ({"a": 1}, 13, []),
    ):  # fmt: skip
        request.num_computed_tokens = computed
        meter.scheduled(0, tokens, entering, {"a": request}, ())
        meter.done(10, tokens, ["a"] if computed == 13 else (), computed != 13)
    (settled,) = meter.report().settlements
    assert (settled.prefill_tokens, settled.decode_tokens) == (10 + 12, 2 + 1)


def test_a_cached_prefix_is_told_and_not_charged() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    request = Request("a", 100, 9, num_computed_tokens=100)
    tokens = {"a": 36}
    meter.scheduled(77, tokens, ["a"], {"a": request}, ())
    meter.done(100, tokens, ["a"], False)
    (settled,) = meter.report().settlements
    assert (settled.prefill_tokens, settled.cached_tokens, settled.scheduled_ns) == (36, 64, 77)


def test_more_requests_than_slots() -> None:
    meter = StepMeter(StepModel(COEFFICIENTS, fitted=True), 0)
    requests = {f"r{n}": Request(f"r{n}", 5, 9, num_computed_tokens=5) for n in range(1000)}
    tokens = dict.fromkeys(requests, 5)
    meter.scheduled(0, tokens, list(tokens), requests, ())
    meter.done(10**8, tokens, list(tokens), False)
    settled = meter.report().settlements
    assert len(settled) == 1000
    assert sum(s.nanoseconds for s in settled) == 10**8
