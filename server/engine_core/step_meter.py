"""Shares the engine's measured time among its requests, to the nanosecond.

One cursor runs through CLOCK_MONOTONIC, and every nanosecond that it passes goes to exactly one of:
a request that is in the step, `idle` (nothing to do), `stall` (a step far beyond what its tokens
can take, such as a compilation). The share of request i in a step of n requests is

    phi_i = step / n + prefill_token * P_i + decode_token * D_i + kv_token * K_i

the Shapley value of the linear step model (server/engine_core/step_model.py): its constant is
everybody's alike, every other term is the request's own. The shares are rescaled to the measured
time.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from server.engine_core.step_model import StepModel
from server.wire.report import Report, Settlement

Ints: TypeAlias = npt.NDArray[np.int64]

STALL_FACTOR = 10.0
"""A step this many times longer than predicted is a stall, if it is also longer than STALL_NS."""
STALL_NS = 1_000_000_000
UNFITTED_STALL_NS = 5_000_000_000
"""Before the first fit predictions know only the prior: then only such a step is a stall."""
_SLOTS = 256
_NS, _PREFILL, _DECODE, _CACHED, _HIGH, _BOUND, _SCHEDULED, _FIRST, _LAST = range(9)


class EngineRequest(Protocol):
    """What we read of vLLM's scheduler Request."""

    num_computed_tokens: int
    num_prompt_tokens: int


class _Step(NamedTuple):
    """A step in flight: tokens by request id, and of each request its slot and its tokens."""

    tokens: Mapping[str, int]
    slots: npt.NDArray[np.intp]
    prefill: Ints
    decode: Ints
    kv: Ints


def split(nanoseconds: int, weights: npt.NDArray[np.float64]) -> Ints:
    """Whole nanoseconds in proportion to the weights, which are positive; their sum is exact.

    Shapes: weights (n,), the result (n,). What rounding down leaves goes to the heaviest.
    """
    shares: Ints = (weights * (nanoseconds / weights.sum())).astype(np.int64)
    shares[weights.argmax()] += nanoseconds - int(shares.sum())
    return shares


class StepMeter:
    """The books of one engine core; all times are nanoseconds of CLOCK_MONOTONIC.

    Requests stand in the columns of one table, so that a step costs numpy calls and no loop.
    """

    def __init__(self, model: StepModel, now: int) -> None:
        self.model = model
        self._origin = self._cursor = now
        self._idle = self._stall = 0
        self._busy = False
        self._steps: deque[_Step] = deque()
        self._slots: dict[str, int] = {}
        self._free = list(range(_SLOTS))
        self._table: Ints = np.zeros((9, _SLOTS), dtype=np.int64)
        self._finished: set[str] = set()
        self._told: set[str] = set()
        self._settled: list[Settlement] = []

    def begin(self, now: int) -> None:
        """Before vLLM schedules: what passed since the last step was idle, or is the next one's."""
        if not self._steps and not self._busy:
            self._pass_idle(now)

    def scheduled(
        self,
        now: int,
        tokens: Mapping[str, int],
        entering: Iterable[str],
        requests: Mapping[str, EngineRequest],
        finished: Iterable[str],
    ) -> None:
        """A step was scheduled: tokens by request id; `entering` are new or were preempted.

        `finished` are those that finished since the last schedule; vLLM forgets them now.
        """
        self._note_finished(finished)
        self._told.clear()
        if not tokens:
            # Paused, or everybody waits for a grammar or a remote cache: the device has nothing.
            if not self._steps:
                self._pass_idle(now)
            return
        for request_id in entering:
            self._enter(request_id, tokens[request_id], requests[request_id], now)
        count = len(tokens)
        slots = np.fromiter(map(self._slots.__getitem__, tokens), np.intp, count)
        added = np.fromiter(tokens.values(), np.int64, count)
        kv = np.fromiter((requests[i].num_computed_tokens for i in tokens), np.int64, count)
        prefill = np.minimum(np.maximum(self._table[_BOUND, slots] - (kv - added), 0), added)
        self._table[_HIGH, slots] = np.maximum(self._table[_HIGH, slots], kv)
        self._steps.append(_Step(tokens, slots, prefill, added - prefill, kv))

    def _enter(self, request_id: str, added: int, request: EngineRequest, now: int) -> None:
        slot = self._slots.get(request_id)
        if slot is not None:
            # It was preempted: what it had computed is computed again, in prefill's way.
            bound = max(int(self._table[_BOUND, slot]), int(self._table[_HIGH, slot]))
            self._table[_BOUND, slot] = bound
            return
        if not self._free:
            self._grow()
        slot = self._slots[request_id] = self._free.pop()
        self._table[:, slot] = 0
        self._table[_CACHED, slot] = request.num_computed_tokens - added
        self._table[_BOUND, slot] = request.num_prompt_tokens
        self._table[_SCHEDULED, slot] = now
        self._table[_FIRST, slot] = self.model.version

    def _grow(self) -> None:
        size = self._table.shape[1]
        self._table = np.concatenate((self._table, np.zeros_like(self._table)), axis=1)
        self._free.extend(range(size, 2 * size))

    def done(
        self, now: int, tokens: Mapping[str, int], finished: Iterable[str], busy: bool
    ) -> bool:
        """A step's output was taken in; `busy` when requests remain. True: new coefficients."""
        fitted = False
        if tokens:
            step = self._take(tokens)
            fitted = self._share(step, now - self._cursor)
            self._cursor = now
        elif not self._steps:
            self._pass_idle(now)
        self._busy = busy
        self._note_finished(finished)
        self._settle()
        return fitted

    def _take(self, tokens: Mapping[str, int]) -> _Step:
        for place, step in enumerate(self._steps):
            if step.tokens is tokens:
                del self._steps[place]
                return step
        raise LookupError("a step ended that was not scheduled")

    def _share(self, step: _Step, elapsed: int) -> bool:
        per_step, per_prefill, per_decode, per_kv = self.model.coefficients
        weights = per_prefill * step.prefill + per_decode * step.decode + per_kv * step.kv
        weights += per_step / len(weights)
        predicted = float(weights.sum())
        charged = int(predicted) if self._is_stall(elapsed, predicted) else elapsed
        self._stall += elapsed - charged
        self._table[_NS, step.slots] += split(charged, weights)
        self._table[_PREFILL, step.slots] += step.prefill
        self._table[_DECODE, step.slots] += step.decode
        self._table[_LAST, step.slots] = self.model.version
        if charged != elapsed or not elapsed:
            return False
        prefill, decode, kv = (int(part.sum()) for part in (step.prefill, step.decode, step.kv))
        return self.model.learn(len(weights), prefill, decode, kv, elapsed)

    def _is_stall(self, elapsed: int, predicted: float) -> bool:
        if not self.model.fitted:
            return elapsed > max(UNFITTED_STALL_NS, predicted)
        return elapsed > max(STALL_NS, STALL_FACTOR * predicted)

    def _pass_idle(self, now: int) -> None:
        self._idle += now - self._cursor
        self._cursor = now

    def _note_finished(self, finished: Iterable[str]) -> None:
        new = set(finished) - self._told
        self._told |= new
        self._finished |= new

    def _settle(self) -> None:
        for request_id in tuple(self._finished):
            # Under asynchronous scheduling the next step may hold it already: it pays there too.
            if not any(request_id in step.tokens for step in self._steps):
                self._finished.discard(request_id)
                self._settled.append(self._settlement(request_id))

    def _settlement(self, request_id: str) -> Settlement:
        slot = self._slots.pop(request_id, None)
        if slot is None:
            return Settlement(request_id, 0, 0, 0, 0, 0, self.model.version, self.model.version)
        used = self._table[:, slot].tolist()
        self._table[:, slot] = 0
        self._free.append(slot)
        counts = (used[_NS], used[_PREFILL], used[_DECODE], used[_CACHED], used[_SCHEDULED])
        return Settlement(request_id, *counts, used[_FIRST], used[_LAST])

    def report(self) -> Report:
        """The books as they stand, with what was settled since the last report."""
        settled, self._settled = self._settled, []
        return Report(
            origin=self._origin,
            cursor=self._cursor,
            idle=self._idle,
            stall=self._stall,
            open=int(self._table[_NS].sum()),
            version=self.model.version,
            error=self.model.error,
            fault="",
            settlements=settled,
        )
