"""Quantiles by nearest rank: each is a value that was measured."""

from collections.abc import Sequence

METHOD = "nearest rank: the least measured value that at least this share of all does not exceed"


def at_rank(ordered: Sequence[float], percent: int) -> float:
    """The quantile of values in ascending order, of which there is one at least."""
    # In whole numbers: 0.95 * 20 may be a little above 19, and the rank would be the next one.
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]
