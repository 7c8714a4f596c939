"""Upper edges of the client's histograms: the server's own, so that both can be laid side by side.

As server/catalogue/grids.py, which a load test by itself cannot import; a test holds both.
"""

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
"""Edges in seconds for TPOT: 1 ms to 5 s."""

LAG_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Edges in seconds for how late the generator is: 1 ms to 30 s."""
