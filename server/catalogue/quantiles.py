"""What a histogram says of known times: Prometheus's arithmetic, and loads to try it on."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import NormalDist

FASTEST, SLOWEST = 0.05, 600.0
"""Seconds between which real requests were seen to last: 50 ms to 10 minutes."""


def histogram_quantile(q: float, edges: Sequence[float], counts: Sequence[float]) -> float:
    """As Prometheus: a straight line within the bucket; above the last edge, that edge.

    `counts` are not cumulative and hold one more than `edges`, for +Inf.
    """
    rank, below = q * sum(counts), 0.0
    for index, count in enumerate(counts[:-1]):
        if below + count >= rank:
            low = edges[index - 1] if index else 0.0
            return low + (edges[index] - low) * (rank - below) / count
        below += count
    return edges[-1]


def bucket_counts(edges: Sequence[float], values: Sequence[float]) -> list[float]:
    """How many values each bucket holds, +Inf last."""
    counts = [0.0] * (len(edges) + 1)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return counts


def exact_quantile(q: float, values: Sequence[float]) -> float:
    """The smallest value that at least the share `q` does not exceed."""
    return sorted(values)[math.ceil(q * len(values)) - 1]


def lognormal(median: float, sigma: float, count: int = 1000) -> list[float]:
    """Evenly drawn times in seconds of a lognormal load, those outside FASTEST..SLOWEST cut."""
    normal = NormalDist(math.log(median), sigma)
    times = (math.exp(normal.inv_cdf((index + 0.5) / count)) for index in range(count))
    return [time for time in times if FASTEST <= time <= SLOWEST]
