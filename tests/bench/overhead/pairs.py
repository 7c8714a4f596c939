"""Ratios of two servers, round by round, and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED = 10_000, 17


@dataclass(frozen=True)
class Ratio:
    """The median of ratios of paired turns and its 95 % interval (percentile bootstrap).

    Efron, Tibshirani: An Introduction to the Bootstrap (1993), chapter 13. Rounds are resampled
    whole: what the machine did in a round stands on both sides of its ratio.
    """

    median: float
    low: float
    high: float


def ratio(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Ours through another's, each turn through its partner's.

    Raises ValueError where they are not as many, or fewer than two.
    """
    if len(ours) != len(others) or len(ours) < 2:
        raise ValueError(f"{len(ours)} and {len(others)} turns make no pairs")
    found = np.asarray(ours) / np.asarray(others)
    picked = np.random.default_rng(SEED).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.percentile(np.median(found[picked], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(found)), float(low), float(high))
