"""How the rate goes over a run, and how the highest rate that holds is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.shapes import CLOSE, SHAPES, FindLimit, Step
from loadtest.rows import MAIN, WARM_UP


def walked(name: str, rate: float = 8.0, seconds: float = 100.0) -> list[Step]:
    return list(SHAPES[name](rate, seconds).steps())


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in ("limit", "replay")])
@pytest.mark.parametrize("seconds", [5.0, 100.0, 7200.0])
def test_a_run_lasts_as_long_as_it_was_asked_to(name: str, seconds: float) -> None:
    steps = walked(name, seconds=seconds)
    assert sum(step.seconds for step in steps) == pytest.approx(seconds)
    assert max(step.rate for step in steps) == 8.0
    edges = [step for step in steps if step.phase != MAIN]
    # A warm-up above the first rate would leave its queue to the first stage.
    assert [step.rate for step in edges] == [steps[1].rate, steps[-2].rate]
    assert len(edges) == 2 and all(0 < step.seconds <= 15 for step in edges)


def test_all_of_a_replay_counts() -> None:
    assert walked("replay") == [Step(MAIN, 8.0, 100.0)]


def test_a_ramp_rises_and_a_spike_is_five_times_what_is_around_it() -> None:
    rates = [step.rate for step in walked("ramp") if step.phase == MAIN]
    assert rates == sorted(rates) and len(set(rates)) == 8
    around, spike, after = [step.rate for step in walked("spike") if step.phase == MAIN]
    assert around == after == spike / 5


def test_a_soak_has_a_stage_each_ten_minutes() -> None:
    stages = [step for step in walked("soak", seconds=3630.0) if step.phase == MAIN]
    assert [step.seconds for step in stages] == [600.0] * 6


@given(st.floats(0.05, 5000), st.floats(0.5, 10))
def test_the_limit_is_found_within_a_tenth_wherever_it_is(limit: float, first: float) -> None:
    steps = FindLimit(first, 10.0).steps()
    step, tried = next(steps), []
    assert step.phase == WARM_UP
    step = steps.send(True)
    while True:
        tried.append((step.rate, step.rate <= limit))
        try:
            step = steps.send(step.rate <= limit)
        except StopIteration:
            break
    holds = [rate for rate, held in tried if held]
    fails = [rate for rate, held in tried if not held]
    if not holds:
        assert min(fails) <= first / 32
        return
    assert max(holds) <= limit < min(fails) <= CLOSE * max(holds) * 1.0001
    assert len(tried) <= 24
