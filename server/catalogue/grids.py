"""The histograms' upper edges: a quantile is off by at most the ratio of two neighbours.

Grids are geometric, and finer where Prometheus's straight line within a bucket would miss a
lognormal's p99 by more than 10 % (docs/quantiles.md). Each threshold of prometheus/slo.yaml and the
default deadline (600 s) is an edge.
"""

from itertools import pairwise

REQUEST_SECONDS = (
    0.02, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.27, 0.38, 0.52, 0.72, 1.0, 1.4, 2.0, 2.8, 4.0,
    5.6, 8.0, 11.0, 15.0, 21.0, 30.0, 42.0, 60.0, 85.0, 120.0, 165.0, 225.0, 310.0, 430.0,
    600.0, 1200.0,
)  # fmt: skip
"""Edges in seconds for whole requests and TTFT: 20 ms to 20 minutes."""

TOKEN_SECONDS = (
    0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.011, 0.015, 0.02, 0.028, 0.04,
    0.055, 0.075, 0.1, 0.14, 0.2, 0.28, 0.4, 0.65, 1.0, 1.6, 2.8, 5.0,
)  # fmt: skip
"""Edges in seconds for TPOT and ITL: 1 ms to 5 s."""

PHASE_SECONDS = (
    0.0001, 0.0005, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2,
    2.5, 5.0, 10.0, 20.0, 45.0, 100.0, 240.0, 600.0, 1200.0,
)  # fmt: skip
"""Edges in seconds for phases: 0.1 ms to 20 minutes."""

COST_MICRODOLLARS = (
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3,
    1e4, 2e4, 3.5e4, 6e4, 1e5, 2e5, 3.5e5, 6e5, 1e6, 5e6, 2e7, 1e8,
)  # fmt: skip
"""Edges in microdollars: 1 µ$ to $100."""

COST_PER_1K_MICRODOLLARS = (
    10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 2e4, 3.5e4, 6e4, 1e5, 2e5,
    3.5e5, 6e5, 1e6, 1e7,
)  # fmt: skip
"""Edges in microdollars per 1000 output tokens: 10 µ$ to $10."""

TOKENS_PER_REQUEST = (
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6,
)  # fmt: skip
"""Edges in tokens: 1 to 3 million; two a decade are enough to tell 1000 times the usual."""

LAG_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Edges in seconds for the event loop's lag: 1 ms to 30 s."""


def worst_ratio(edges: tuple[float, ...]) -> float:
    """The largest ratio of neighbouring edges: what a quantile can be off by, at most."""
    return max(high / low for low, high in pairwise(edges))
