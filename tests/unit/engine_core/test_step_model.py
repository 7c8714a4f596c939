"""The step model finds the true coefficients, whatever outliers and quiet hours come between."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine_core.step_model import (
    FIRST_FIT,
    PRIOR,
    Coefficients,
    StepModel,
    nonnegative_least_squares,
)
from tests.unit.steps import Engine

TRUTH: Coefficients = (9e6, 12e3, 600e3, 400.0)


def step(dice: random.Random, batch: int | None = None) -> tuple[int, int, int, int]:
    """Batch, prefill, decode and KV tokens of a random step."""
    count = batch or dice.choice((1, 2, 4, 8, 16, 32))
    prefill = dice.choice((0, 0, dice.randint(1, 2048)))
    return count, prefill, count, prefill + sum(dice.randint(10, 2000) for _ in range(count))


def takes(tokens: tuple[int, int, int, int], noise: float) -> int:
    _, prefill, decode, kv = tokens
    base, per_prefill, per_decode, per_kv = TRUTH
    return round((base + per_prefill * prefill + per_decode * decode + per_kv * kv) * noise)


def learn(model: StepModel, steps: int, seed: int = 1, batch: int | None = None) -> None:
    dice = random.Random(seed)
    for _ in range(steps):
        tokens = step(dice, batch)
        noise = dice.lognormvariate(0, 0.1) * (dice.uniform(2, 8) if dice.random() < 0.05 else 1)
        model.learn(*tokens, takes(tokens, noise))


def test_it_finds_the_true_coefficients_among_outliers() -> None:
    model = StepModel()
    learn(model, 3000)
    assert model.fitted
    assert model.coefficients == pytest.approx(TRUTH, rel=0.15)
    assert model.error is not None
    assert model.error < 0.12


def test_a_quiet_hour_does_not_wash_out_what_a_batch_costs() -> None:
    model = StepModel()
    learn(model, 2000)
    learn(model, 8000, seed=2, batch=1)
    assert model.coefficients == pytest.approx(TRUTH, rel=0.25)


def test_the_prior_serves_until_the_first_fit() -> None:
    model = StepModel()
    learn(model, FIRST_FIT - 1)
    assert (model.version, model.coefficients, model.fitted) == (0, PRIOR, False)
    learn(model, 1)
    assert (model.version, model.fitted) == (1, True)


def test_the_error_is_of_steps_not_yet_learned_from() -> None:
    model = StepModel(TRUTH, fitted=True)
    tokens = (1, 0, 1, 100)
    model.learn(*tokens, 2 * takes(tokens, 1.0))
    assert model.error == pytest.approx(0.5)


def test_steady_steps_keep_their_version() -> None:
    model = StepModel()
    learn(model, 12_000)
    before = model.version
    learn(model, 12_000, seed=3)
    assert model.version <= before + 1


def test_versions_name_other_coefficients() -> None:
    engine = Engine(3)
    seen = {}
    for _ in range(2000):
        engine.turn()
        model = engine.meter.model
        assert seen.setdefault(model.version, model.coefficients) == model.coefficients
    assert len(seen) > 1


rows = st.lists(st.tuples(*(st.floats(0, 1000) for _ in range(4))), min_size=5, max_size=40)


@given(rows)
def test_the_fit_is_optimal(features: list[tuple[float, ...]]) -> None:
    """Karush-Kuhn-Tucker: no gradient where a coefficient is free, none downhill where it is 0."""
    matrix = np.array(features) + 1e-3
    x = nonnegative_least_squares(matrix)
    gradient = matrix.T @ (matrix @ x - 1.0)
    scale = np.linalg.norm(matrix, axis=0) * np.sqrt(len(matrix))
    assert (x >= 0).all()
    assert (gradient / scale >= -1e-6).all()
    assert (np.abs(gradient / scale)[x > 0] <= 1e-6).all()
