"""Watches the engine from the event loop, and has a stall written down by another thread."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from server.readiness import witness
from server.readiness.scribe import Scribe
from server.readiness.stall import TICK_SECONDS, Pulse, Stall, Turn
from server.readiness.state import Readiness
from server.signals.hook_errors import guarded
from server.signals.stacks import ANSWER_SECONDS, Seen

_LOOK_SECONDS = 2 * ANSWER_SECONDS
"""How long the verdict waits for the stacks."""


class Engine(Protocol):
    """What we ask of the engine's client."""

    def get_num_unfinished_requests(self) -> int:
        """Requests that were handed to the engine and are not over."""

    def request_ids(self) -> Sequence[str]:
        """Their ids, oldest first."""

    async def answer(self) -> None:
        """Returns when the engine has replied to a question that costs it nothing."""


class Watch:
    """One engine's: judged here in the event loop, since what it says is heard here."""

    def __init__(
        self,
        engine: Engine,
        pulse: Pulse,
        readiness: Readiness,
        limit: float,
        look: Callable[[], list[Seen]] = witness.look,
    ) -> None:
        self._engine = engine
        self._pulse = pulse
        self._readiness = readiness
        self._stall = Stall(limit)
        self._look_at = look
        self._ids: Sequence[str] = ()
        self._question: asyncio.Task[None] | None = None
        # One of its own: the loop's may be full of what waits for the engine.
        self._scribe = Scribe("stall-scribe")

    async def run(self) -> None:
        """Look every tick, for ever."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            with guarded("ready"):
                await self.tick(now - before)
            before = now

    async def tick(self, elapsed: float) -> None:
        """So many seconds have passed since the last."""
        if self._readiness.is_ending:
            return
        unfinished = self._engine.get_num_unfinished_requests()
        turn = self._stall.tick(elapsed, unfinished, self._pulse.count)
        if unfinished:
            # Whoever waited too long may be gone when it is written down.
            self._ids = self._engine.request_ids() if self._stall.silent else ()
        if turn is Turn.RECOVERED:
            self._readiness.stall(False)
            self._scribe.have(witness.engine_recovered, self._stall.lasted)
        if turn in (Turn.ASK, Turn.LOOK):
            self._ask()
        if turn is Turn.LOOK:
            await self._look()

    def _ask(self) -> None:
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._hear_answer())

    async def _hear_answer(self) -> None:
        # An engine that died is another reason, and it is told by vLLM.
        with suppress(Exception):
            await self._engine.answer()
            self._pulse.beat()

    async def _look(self) -> None:
        seen: list[Seen] = []
        with guarded("ready"):
            seen = await asyncio.wait_for(self._scribe.ask(self._look_at), _LOOK_SECONDS)
        if self._stall.judge(self._pulse.count, any(each.is_compiling for each in seen)):
            self._readiness.stall(True)
            self._scribe.have(witness.engine_stalled, self._stall.silent, self._ids, seen)
