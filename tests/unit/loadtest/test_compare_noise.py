"""What a comparison is told by noise that lasts: equals pass, a slowdown of 20 % does not."""

import math

import numpy as np

from loadtest.compare.intervals import drawn, draws, repeated, student
from loadtest.compare.sample import Sample
from loadtest.compare.verdict import Judge, Verdict
from tests.unit.compared import sample_of, served

SEEDS = 100
JUDGE = Judge(tolerance=0.05, errors=0.01, paired=True, in_turns=False)


def got_worse(ours: Sample, theirs: Sample, judge: Judge = JUDGE) -> bool:
    return any(c.verdict is Verdict.WORSE for c in judge.changes([ours], [theirs]))


def test_of_a_hundred_pairs_equals_pass_and_a_fifth_slower_is_found() -> None:
    equal = slower = 0
    for seed in range(SEEDS):
        ours = sample_of(served(seed, 2 * seed))
        equal += not got_worse(ours, sample_of(served(seed, 2 * seed + 1)))
        slower += got_worse(ours, sample_of(served(seed, 2 * seed + 1, slower=1.2)))
    assert equal >= 95 and slower >= 95


def test_requests_taken_for_lots_of_their_own_would_call_noise_a_change() -> None:
    """Why stretches are drawn: one by one, requests promise four times what they know."""
    outside, narrow = 0, []
    for seed in range(SEEDS):
        ours, theirs = (served(seed, 2 * seed + side, lasting=25.0).tpot for side in (0, 1))
        dice = np.random.default_rng(seed)
        picked = dice.integers(0, len(ours), (100, len(ours)))
        samples = np.log(np.median(theirs[picked], axis=1) / np.median(ours[picked], axis=1))
        low, high = np.quantile(samples, [0.025, 0.975])
        outside += not low <= 0.0 <= high
        whole = JUDGE.changes([sample_of(served(seed, 2 * seed, lasting=25.0))],
                              [sample_of(served(seed, 2 * seed + 1, lasting=25.0))])  # fmt: skip
        interval = next(c.interval for c in whole if c.metric.label == "TPOT p50")
        assert interval is not None
        narrow.append((high - low) / (interval.high - interval.low))
    assert outside > 40 and np.median(narrow) < 0.35


def test_of_repeated_runs_the_runs_are_the_lots() -> None:
    """Runs that differ by a fifth from the fastest to the slowest, whoever serves."""
    equal = slower = once = 0
    for seed in range(SEEDS):
        dice = np.random.default_rng(seed)
        ours, theirs = dice.normal(0.0, 0.05, (2, 6))
        allowed = math.log(1.05)
        equal += repeated(list(ours), list(theirs), in_turns=False).low <= allowed
        slower += repeated(list(ours), list(theirs + math.log(1.2)), in_turns=False).low > allowed
        once += theirs[0] - ours[0] > allowed
    assert equal >= 95 and slower >= 95
    assert once > 15, "one run a side would have called it a change"


def test_runs_in_turns_share_the_moods_of_the_machine() -> None:
    drift = [0.3, 0.1, -0.2, -0.3]
    theirs = [mood + 0.1 + off for mood, off in zip(drift, (0.01, -0.01, 0.02, 0.0), strict=True)]
    assert repeated(drift, theirs, in_turns=True).low > 0.05
    assert repeated(drift, theirs, in_turns=False).low < -0.1
    assert repeated([1.0] * 3, [1.0] * 3, in_turns=False).high == 0.0


def test_an_interval_is_wider_for_fewer_stretches_and_endless_without_a_figure() -> None:
    samples = np.random.default_rng(0).normal(0, 1, 100_000)
    wide = {blocks: drawn(0.0, samples, blocks).high for blocks in (10, 20, 1000)}
    assert wide[10] > wide[20] > wide[1000] > 1.96
    assert abs(wide[10] - 2.262 * math.sqrt(10 / 9)) < 0.05
    gap = drawn(0.0, np.array([0.0, math.nan]), 10)
    assert (gap.low, gap.high) == (-math.inf, math.inf)
    assert (student(1), student(19.9), student(10**6)) == (12.706, 2.093, 2.042)


def test_the_same_comparison_says_the_same_and_every_stretch_is_drawn() -> None:
    assert (draws(20) == draws(20)).all() and (draws(20) != draws(20, 1)).any()
    assert (draws(20).sum(axis=1) == 20).all() and draws(20).sum(axis=0).min() > 0
