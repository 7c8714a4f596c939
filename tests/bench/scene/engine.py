"""An engine with a KV cache, a batch and a queue before them: what the day's requests go through.

So that all signals tell the same: what a request waits is what the queue's gauge counts meanwhile.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random

from server.record.request import Outcome
from tests.bench.scene.story import Ask

CACHE_TOKENS, MOST_RUNNING, MOST_WAITING = 48_000, 48, 88
"""More than that wait nowhere: they are refused as `overloaded`."""
DEADLINE_SECONDS = 85.0
"""An edge of the durations' grid above the objective of 60 s: what runs into it reads as it was."""
_GROWS = 0.6
"""Of an answer's tokens, which the cache holds on an average while it is made."""
_CROWDED = 0.9
"""Of the cache: above it what grows may throw a request out."""


@dataclass(frozen=True)
class State:
    """The engine from `at` until the next state: the first are gauges, the others count up.

    `oldest` is when the oldest request without a first token came, infinity where there is none.
    `share` is the device time of a request that ran since the day's start, in seconds.
    """

    at: float
    running: int = 0
    waiting: int = 0
    cache: float = 0.0
    oldest: float = math.inf
    preempted: int = 0
    refused: int = 0
    looked_up: int = 0
    hits: int = 0
    prefilled: int = 0
    steps: float = 0.0
    made: float = 0.0
    busy: float = 0.0
    share: float = 0.0

    def later(self, at: float) -> "State":
        """The same state at a later moment: what runs has gone on."""
        if not self.running:
            return replace(self, at=at)
        seconds = at - self.at
        steps = seconds / pace(self.running)
        return replace(
            self,
            at=at,
            steps=self.steps + steps,
            made=self.made + steps * self.running,
            busy=self.busy + seconds,
            share=self.share + seconds / self.running,
        )


@dataclass
class Served:
    """A request and what became of it: moments in Unix seconds, None for what never was.

    `device` is its share of the device's time, `made` are the tokens of its answer.
    """

    ask: Ask
    outcome: Outcome
    reason: str
    status: int
    ended: float
    admitted: float | None = None
    first: float | None = None
    made: int = 0
    device: float = 0.0


@dataclass
class _Running:
    ask: Ask
    admitted: float
    first: float
    pace: float
    share: float


def pace(running: int) -> float:
    """Seconds of a step, which makes a token for each that runs."""
    return 0.018 + 0.0007 * running


@dataclass
class Engine:
    """Serves what is asked in its order; `states` and `served` are what it leaves."""

    seed: int
    states: list[State] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self._dice = Random(f"{self.seed} engine")
        self._queue: deque[Ask] = deque()
        self._batch: dict[int, _Running] = {}
        self._events: list[tuple[float, int, str, int]] = []
        self._tokens, self._numbers = 0.0, 0
        self._ends: dict[int, Served] = {}

    def run(self, asks: Iterable[Ask]) -> None:
        """Serve all of it."""
        for ask in asks:
            self._until(ask.at)
            self._arrive(ask)
        self._until(math.inf)
        self.served.sort(key=lambda one: one.ended)

    def _until(self, moment: float) -> None:
        while self._events and self._events[0][0] <= moment:
            at, _, what, number = heappop(self._events)
            if what == "first":
                self._pass(at)
            else:
                self._finish(at, number)
            self._admit(at)

    def _pass(self, at: float, **changed: int) -> None:
        """Let the time pass until `at`, and note the state from there on."""
        last = (self.states[-1] if self.states else State(at)).later(at)
        counted = {name: getattr(last, name) + more for name, more in changed.items()}
        now = replace(
            last,
            running=len(self._batch),
            waiting=len(self._queue),
            cache=self._tokens / CACHE_TOKENS,
            oldest=min(self._without_token(at), default=math.inf),
            **counted,
        )
        self.states.append(now)

    def _without_token(self, at: float) -> list[float]:
        first = [each.ask.at for each in self._batch.values() if each.first > at]
        return [*first, self._queue[0].at] if self._queue else first

    def _arrive(self, ask: Ask) -> None:
        if ask.refused:
            status = {"bad_request": 400, "auth": 401, "unknown_model": 404}[ask.refused]
            took = 0.001 + self._dice.random() * 0.004
            self._end(ask, Outcome.CLIENT_ERROR, ask.refused, status, ask.at + took)
        elif len(self._queue) >= MOST_WAITING:
            self._end(ask, Outcome.SERVER_ERROR, "overloaded", 503, ask.at + 0.003)
            self._pass(ask.at, refused=1)
        else:
            self._queue.append(ask)
            self._admit(ask.at)

    def _end(self, ask: Ask, outcome: Outcome, reason: str, status: int, at: float) -> None:
        self.served.append(Served(ask, outcome, reason, status, at))

    def _admit(self, at: float) -> None:
        self._give_up(at)
        while self._queue and self._fits(self._queue[0]):
            self._begin(at, self._queue.popleft())
        self._pass(at)

    def _give_up(self, at: float) -> None:
        # Whoever is over the deadline is found when the queue is looked at, at its own time.
        while self._queue and self._queue[0].at + DEADLINE_SECONDS <= at:
            ask = self._queue.popleft()
            self._end(ask, Outcome.TIMEOUT, "deadline", 504, ask.at + self._deadline())

    def _deadline(self) -> float:
        # No two alike: of equals a store ranks either first.
        return DEADLINE_SECONDS - 0.05 * self._dice.random()

    def _fits(self, ask: Ask) -> bool:
        room = CACHE_TOKENS - self._tokens
        return len(self._batch) < MOST_RUNNING and self._need(ask) <= room

    @staticmethod
    def _need(ask: Ask) -> float:
        return ask.read + _GROWS * ask.made

    def _begin(self, at: float, ask: Ask) -> None:
        self._tokens += self._need(ask)
        crowded = self._tokens > _CROWDED * CACHE_TOKENS
        thrown = crowded and self._dice.random() < 0.5
        # What is thrown out is computed again: its tokens come that much later.
        slower = 1.0 + (0.6 * self._dice.random() if thrown else 0.0)
        self._numbers += 1
        first = at + 0.03 + (ask.read - ask.cached) * (1.1e-4 + 2e-6 * len(self._batch))
        each = pace(len(self._batch) + 1) * slower * self._dice.lognormvariate(0, 0.12)
        self._batch[self._numbers] = _Running(ask, at, first, each, 0.0)
        self._pass(
            at,
            preempted=int(thrown),
            looked_up=ask.read,
            hits=ask.cached,
            prefilled=ask.read - ask.cached,
        )
        self._batch[self._numbers].share = self.states[-1].share
        self._plan(self._batch[self._numbers], self._numbers)

    def _plan(self, one: _Running, number: int) -> None:
        """Say how and when it will end."""
        ask, made = one.ask, max(1, int(one.ask.made * one.ask.leaves))
        outcome, reason, status = Outcome.OK, "stop", 200
        if ask.leaves < 1:
            outcome, reason = Outcome.ABORTED, "client_disconnect"
        elif self._dice.random() < 0.07:
            reason = "length"
        elif self._dice.random() < 0.0015:
            outcome, reason, status = Outcome.SERVER_ERROR, "engine_error", 500
        ended = one.first + made * one.pace
        if ended > ask.at + DEADLINE_SECONDS:
            ended = ask.at + self._deadline()
            made = max(0, int((ended - one.first) / one.pace))
            outcome, reason, status = Outcome.TIMEOUT, "deadline", 504
        first = one.first if made else None
        self._ends[number] = Served(ask, outcome, reason, status, ended, one.admitted, first, made)
        heappush(self._events, (one.first, number, "first", number))
        heappush(self._events, (ended, number, "ended", number))

    def _finish(self, at: float, number: int) -> None:
        one, served = self._batch.pop(number), self._ends.pop(number)
        self._tokens -= self._need(one.ask)
        if not self._batch:
            self._tokens = 0.0
        self._pass(at)
        served.device = self.states[-1].share - one.share
        self.served.append(served)
