"""How long an engine step takes: a linear model, learned from the steps themselves.

    time = step + prefill_token * P + decode_token * D + kv_token * K

with P, D the tokens that the step computes in prefill and decode, and K the tokens resident in the
KV cache for its requests. Continuous batching is close to linear in these (arXiv 2504.11320).
"""

from collections import OrderedDict, deque
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Coefficients: TypeAlias = tuple[float, float, float, float]
"""Nanoseconds a step, a prefill token, a decode token, a resident KV token."""

PRIOR: Coefficients = (2.1e6, 65e3, 120e3, 0.3e3)
"""Of the embedded model on two CPU cores, 2026-11-24: the `step_model_adopted` log line after a
minute of mixed load at 5 requests per second.

Only the proportions matter: a step's shares are rescaled to its measured time. It serves until the
first fit, FIRST_FIT steps after the very first start on a device.
"""
FIRST_FIT = 64
"""Steps before the first fit; after that each fit waits for twice as many, at most FIT_EVERY."""
FIT_EVERY = 2048
KEEP = 16
"""Newest steps kept of each shape, so that a quiet hour does not wash out what a batch costs."""
SHAPES = 64
"""Shapes kept, by the powers of two of batch, prefill and KV tokens; the least recent goes."""
HELD_OUT = 256
"""Steps that the reported error looks back on; each was predicted before it was learned from."""
ERROR_EVERY = 32
"""Steps between two looks at the median, which costs as much as the sharing of a step."""
ADOPT = 0.02
"""Median change of the predictions below which a fit is no news and keeps the version."""


class StepModel:
    """Predicts and learns; `fitted` once its coefficients come from this device's own steps.

    `error` is the median of |predicted - measured| / measured over the last HELD_OUT steps, None
    before a step was measured.
    """

    def __init__(self, prior: Coefficients = PRIOR, fitted: bool = False) -> None:
        self.coefficients = prior
        self.version = 0
        self.fitted = fitted
        self._steps = 0
        self._next_fit = FIRST_FIT
        self._samples: OrderedDict[tuple[int, ...], deque[tuple[float, ...]]] = OrderedDict()
        self._errors: deque[float] = deque(maxlen=HELD_OUT)
        self.error: float | None = None

    @property
    def until_fit(self) -> int:
        """Steps to learn from until the next fit, 1 or more."""
        return self._next_fit - self._steps

    def predict(self, prefill: float, decode: float, kv: float) -> float:
        """Nanoseconds that a step with so many tokens takes."""
        step, per_prefill, per_decode, per_kv = self.coefficients
        return step + per_prefill * prefill + per_decode * decode + per_kv * kv

    def learn(self, batch: int, prefill: int, decode: int, kv: int, nanoseconds: int) -> bool:
        """Take a measured step into account; True when this made new coefficients."""
        predicted = self.predict(prefill, decode, kv)
        self._errors.append(abs(predicted - nanoseconds) / nanoseconds)
        self._keep((batch, prefill, decode, kv), nanoseconds)
        if self._steps % ERROR_EVERY == 0:
            self.error = float(np.median(self._errors))
        self._steps += 1
        if self._steps < self._next_fit:
            return False
        self._next_fit = self._steps + min(self._steps, FIT_EVERY)
        return self._fit()

    def _keep(self, tokens: tuple[int, int, int, int], nanoseconds: int) -> None:
        batch, prefill, decode, kv = tokens
        shape = (batch.bit_length(), prefill.bit_length(), kv.bit_length())
        kept = self._samples.get(shape)
        if kept is None:
            kept = self._samples[shape] = deque(maxlen=KEEP)
            if len(self._samples) > SHAPES:
                self._samples.popitem(last=False)
        self._samples.move_to_end(shape)
        kept.append((1.0, prefill, decode, kv, nanoseconds))

    def _fit(self) -> bool:
        rows = np.array([row for kept in self._samples.values() for row in kept])
        features, measured = rows[:, :-1], rows[:, -1]
        found = fit(features, measured)
        old = features @ np.array(self.coefficients)
        change = float(np.median(np.abs(features @ found - old) / old))
        if self.version and change < ADOPT:
            return False
        step, per_prefill, per_decode, per_kv = (float(value) for value in found)
        # A step of nothing takes a nanosecond: no step's prediction is 0.
        self.coefficients = (max(step, 1.0), per_prefill, per_decode, per_kv)
        self.version += 1
        self.fitted = True
        return True


def fit(features: Floats, measured: Floats) -> Floats:
    """Non-negative coefficients with the least squared relative error, outliers left out.

    Shapes: features (steps, terms), measured (steps,), the result (terms,).
    """
    relative = features / measured[:, None]
    found = nonnegative_least_squares(relative)
    misses = np.abs(relative @ found - 1.0)
    # A step beside a page fault or a neighbour's burst says nothing of its tokens.
    inside = misses <= max(3.0 * float(np.median(misses)), 0.05)
    return nonnegative_least_squares(relative[inside])


def nonnegative_least_squares(rows: Floats) -> Floats:
    """The x >= 0 that brings rows @ x nearest to 1 in every row.

    Exact: the optimum is the unconstrained one of some subset of the columns (its active set), and
    four terms have fifteen subsets. SciPy's nnls does the same for any number of columns; it would
    be 40 MB in the engine's process.
    """
    scale = np.linalg.norm(rows, axis=0)
    scale[scale == 0.0] = 1.0
    scaled = rows / scale
    gram, right = scaled.T @ scaled, scaled.sum(axis=0)
    best, least = np.zeros(rows.shape[1]), 0.0
    for size in range(1, rows.shape[1] + 1):
        for subset in combinations(range(rows.shape[1]), size):
            x = _solve(gram, right, list(subset))
            if x is not None and (loss := float(x @ gram @ x - 2.0 * right @ x)) < least:
                best, least = x, loss
    return np.asarray(best / scale)


def _solve(gram: Floats, right: Floats, subset: list[int]) -> Floats | None:
    try:
        part = np.linalg.solve(gram[np.ix_(subset, subset)], right[subset])
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(part).all() or (part < 0.0).any():
        return None
    x = np.zeros(len(right))
    x[subset] = part
    return x
