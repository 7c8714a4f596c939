"""Why the server is not ready: what GET /ready answers and what its gauge shows."""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial

from server.signals import instruments


class Reason(StrEnum):
    """Why requests should go elsewhere."""

    STARTING = "starting"
    DRAINING = "draining"
    ENGINE_STALLED = "engine_stalled"
    ENGINE_DEAD = "engine_dead"


class Readiness:
    """What is known of it in this process; any thread may ask, the event loop tells.

    At most one reason holds at a time. An end that was asked for is draining to its last moment,
    though vLLM marks its engine dead in it; an engine that was dead before is why it ends.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = self._draining = self._stalled = False
        self._is_dead: Callable[[], bool] = lambda: False
        self._since: tuple[Reason | None, float] = (Reason.STARTING, clock())

    def show(self) -> None:
        """Have /metrics tell each reason, and what time this process thinks it is."""
        for reason in Reason:
            gauge = instruments.NOT_READY.labels(reason.value)
            gauge.set_function(partial(self._is_because_of, reason))
        instruments.CLOCK.set_function(time.time)

    def _is_because_of(self, reason: Reason) -> float:
        return float(self.reason is reason)

    def watch_engine(self, is_dead: Callable[[], bool]) -> None:
        """Ask here from now on whether the engine is dead."""
        self._is_dead = is_dead

    def start(self) -> None:
        """Callers are heard from now on."""
        self._started = True
        self._note()

    def drain(self) -> None:
        """The process was told to end."""
        self._draining = True
        self._note()

    def stall(self, is_stalled: bool) -> None:
        """The engine owes an answer for too long, or gave it."""
        self._stalled = is_stalled
        self._note()

    @property
    def reason(self) -> Reason | None:
        """Why the server is not ready, None while it is."""
        if self._draining:
            return Reason.DRAINING
        if self._is_dead():
            return Reason.ENGINE_DEAD
        if not self._started:
            return Reason.STARTING
        return Reason.ENGINE_STALLED if self._stalled else None

    @property
    def is_ending(self) -> bool:
        """True once nothing of the engine is waited for any more."""
        return self.reason in (Reason.DRAINING, Reason.ENGINE_DEAD)

    def answer(self) -> dict[str, object]:
        """What GET /ready says: `ready`, and where it is not `reason` and for how many seconds."""
        reason, since = self._note()
        if reason is None:
            return {"ready": True}
        seconds = round(self._clock() - since, 1)
        return {"ready": False, "reason": reason.value, "for_seconds": seconds}

    def _note(self) -> tuple[Reason | None, float]:
        # Of its death nobody tells: that began when it was first seen.
        if self.reason is not self._since[0]:
            self._since = (self.reason, self._clock())
        return self._since
