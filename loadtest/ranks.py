"""Quantiles by nearest rank: each is a value that was measured."""

from collections.abc import Sequence

METHOD = "nearest rank: the least measured value that at least this share of all does not exceed"


def at_rank(ordered: Sequence[float], percent: int) -> float:
    """The quantile of values in ascending order, of which there is one at least."""
    return at_permille(ordered, 10 * percent)


def at_permille(ordered: Sequence[float], permille: int) -> float:
    """The same by thousandths."""
    # In whole numbers: 0.95 * 20 may be a little above 19, and the rank would be the next one.
    return ordered[max(-(-permille * len(ordered) // 1000), 1) - 1]
