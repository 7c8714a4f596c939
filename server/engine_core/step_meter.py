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
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from server.engine_core.request_table import EngineRequest, Ints, Loads, RequestTable, Step
from server.engine_core.step_model import StepModel
from server.wire.report import Report, Settlement

STALL_FACTOR = 10.0
"""A step this many times longer than predicted is a stall, if it is also longer than STALL_NS."""
STALL_NS = 1_000_000_000
UNFITTED_STALL_NS = 5_000_000_000
"""Before the first fit predictions know only the prior: then only such a step is a stall."""
REPORT_NS = 50_000_000
"""How old the books in the API process may be while nothing is settled and nothing idle."""
MOST_STEPS, MOST_LOADS = 64, 4096
"""Steps that are shared together, and the requests in them, at most: sharing 4,096 takes 0.3 ms."""


def split(nanoseconds: int, weights: npt.NDArray[np.float64]) -> Ints:
    """Whole nanoseconds in proportion to the weights, which are positive; their sum is exact.

    Shapes: weights (n,), the result (n,). What rounding down leaves goes to the heaviest.
    """
    shares: Ints = (weights * (nanoseconds / weights.sum())).astype(np.int64)
    shares[weights.argmax()] += nanoseconds - int(shares.sum())
    return shares


def _sums(loads: Loads) -> Iterator[tuple[int, int, int]]:
    """Of each step its prefill, decode and KV tokens."""
    starts = [0, *loads.ends[:-1]]
    parts = (loads.prefill, loads.decode, loads.kv)
    prefill, decode, kv = (np.add.reduceat(part, starts).tolist() for part in parts)
    return zip(prefill, decode, kv, strict=True)


class StepMeter:
    """The books of one engine core; all times are nanoseconds of CLOCK_MONOTONIC.

    A step that ended waits with others until a request ends, which is when somebody asks who used
    what: numpy's calls cost more than the arithmetic of a small batch. Till then its time is open.
    """

    def __init__(self, model: StepModel, now: int) -> None:
        self.model = model
        self._origin = self._cursor = now
        self._idle = self._stall = self._open = 0
        self._busy = False
        self._steps: deque[Step] = deque()
        self._ended: list[tuple[Step, int]] = []
        self._loads = 0
        self._table = RequestTable()
        self._finished: set[str] = set()
        self._told: set[str] = set()
        self._settled: list[Settlement] = []
        self._next_report = now

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
        finished: Collection[str],
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
        kv = [requests[name].num_computed_tokens for name in tokens]
        self._steps.append(Step(tokens, kv, {}))

    def _enter(self, request_id: str, added: int, request: EngineRequest, now: int) -> None:
        if request_id not in self._table:
            self._table.enter(request_id, added, request, now, self.model.version)
            return
        # What ended before it was preempted goes by the bound of then.
        self._share()
        self._table.resume(request_id, self._steps)

    def done(
        self, now: int, tokens: Mapping[str, int], finished: Collection[str], busy: bool
    ) -> bool:
        """A step's output was taken in; `busy` when requests remain. True: new coefficients."""
        elapsed = 0
        if tokens:
            elapsed = now - self._cursor
            self._ended.append((self._take(tokens), elapsed))
            self._loads += len(tokens)
            self._open += elapsed
            self._cursor = now
        elif not self._steps:
            self._pass_idle(now)
        self._busy = busy
        self._note_finished(finished)
        fitted = self._share() if self._finished or self._is_due(elapsed) else False
        self._settle()
        return fitted

    def _take(self, tokens: Mapping[str, int]) -> Step:
        for place, step in enumerate(self._steps):
            if step.tokens is tokens:
                del self._steps[place]
                return step
        raise LookupError("a step ended that was not scheduled")

    def _is_due(self, elapsed: int) -> bool:
        # New coefficients are for the steps after the one that brought them.
        steps = min(MOST_STEPS, self.model.until_fit)
        full = len(self._ended) >= steps or self._loads >= MOST_LOADS
        return full or elapsed > STALL_NS

    def _share(self) -> bool:
        """Share what ended; True: new coefficients."""
        ended, self._ended, self._loads = self._ended, [], 0
        if not ended:
            return False
        loads = self._table.loads([step for step, _ in ended])
        weights, version = self._weights(loads), self.model.version
        shares = np.empty_like(loads.kv)
        fitted, begin = False, 0
        for (_, elapsed), end, sums in zip(ended, loads.ends, _sums(loads), strict=True):
            here = slice(begin, end)
            charged = self._charged(elapsed, weights[here])
            shares[here] = split(charged, weights[here])
            if charged == elapsed and elapsed:
                fitted = self.model.learn(end - begin, *sums, elapsed) or fitted
            begin = end
        self._table.add(loads, shares, version)
        return fitted

    def _weights(self, loads: Loads) -> npt.NDArray[np.float64]:
        per_step, per_prefill, per_decode, per_kv = self.model.coefficients
        weights: npt.NDArray[np.float64] = (
            per_prefill * loads.prefill + per_decode * loads.decode + per_kv * loads.kv
        )
        counts = np.diff(loads.ends, prepend=0)
        weights += np.repeat(per_step / counts, counts)
        return weights

    def _charged(self, elapsed: int, weights: npt.NDArray[np.float64]) -> int:
        """What of a step's time its requests pay; the rest is a stall."""
        if elapsed <= STALL_NS:
            return elapsed
        predicted = float(weights.sum())
        charged = int(predicted) if self._is_stall(elapsed, predicted) else elapsed
        self._stall += elapsed - charged
        self._open -= elapsed - charged
        return charged

    def _is_stall(self, elapsed: int, predicted: float) -> bool:
        if not self.model.fitted:
            return elapsed > max(UNFITTED_STALL_NS, predicted)
        return elapsed > max(STALL_NS, STALL_FACTOR * predicted)

    def _pass_idle(self, now: int) -> None:
        self._idle += now - self._cursor
        self._cursor = now

    def _note_finished(self, finished: Collection[str]) -> None:
        if finished:
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
        used = self._table.take(request_id)
        if used is None:
            return Settlement(request_id, 0, 0, 0, 0, 0, self.model.version, self.model.version)
        self._open -= used.nanoseconds
        return used

    @property
    def has_news(self) -> bool:
        """True where a report is due: somebody is settled, the engine is idle, or time has passed.

        Each takes the API process as long as a token does.
        """
        return bool(self._settled) or not self._busy or self._cursor >= self._next_report

    def report(self) -> Report:
        """The books as they stand, with what was settled since the last report."""
        self._next_report = self._cursor + REPORT_NS
        settled, self._settled = self._settled, []
        return Report(
            origin=self._origin,
            cursor=self._cursor,
            idle=self._idle,
            stall=self._stall,
            open=self._open,
            version=self.model.version,
            error=self.model.error,
            fault="",
            settlements=settled,
        )
