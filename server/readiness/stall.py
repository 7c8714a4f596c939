"""When an engine counts as stalled: it owes an answer and gives none. It has no clock of its own.

It owes one from the moment a request is seen in it until it reports: a step's outputs or
statistics, which a long prefill sends after each of its chunks and a queue after each step, or its
reply to a question that costs it nothing. So neither an idle engine nor one that works long without
a token is silent, and one whose callers have all gone away is found all the same.

Silence is counted in ticks of the event loop, none for more than two of them: after a loop that was
blocked or a machine that slept, what the engine said meanwhile is heard first.
"""

from enum import Enum, auto

TICK_SECONDS = 1.0
"""How often the engine's silence is looked at."""
ASK_SECONDS = 3.0
"""Silence after which the engine is asked for a word."""
LOOK_AGAIN_SECONDS = 10.0
"""How soon a compiling engine's stacks are looked at again."""
COMPILE_SECONDS = 300.0
"""Silence after which a compiling engine counts as stalled as well."""


class Turn(Enum):
    """What a tick asks for."""

    NOTHING = auto()
    ASK = auto()
    LOOK = auto()
    RECOVERED = auto()


class Pulse:
    """Counts what the engine says."""

    def __init__(self) -> None:
        self.count = 0

    def beat(self) -> None:
        """It said something."""
        self.count += 1


class Stall:
    """The silence of one engine, in seconds of ticks; `limit` is what is too long."""

    def __init__(self, limit: float) -> None:
        self.is_stalled = False
        self.silent = self.lasted = 0.0
        self._limit = self._next_look = limit
        self._owes = False
        self._heard = 0

    def tick(self, elapsed: float, unfinished: int, heard: int) -> Turn:
        """So many seconds have passed; requests in the engine now, and its words since ever."""
        if heard != self._heard:
            return self._hear(unfinished, heard)
        if self._owes:
            self.silent += min(elapsed, 2 * TICK_SECONDS)
        # The time before its first request is none of its silence.
        self._owes = self._owes or unfinished > 0
        if not self.is_stalled and self.silent >= self._next_look:
            return Turn.LOOK
        return Turn.ASK if self.silent >= ASK_SECONDS else Turn.NOTHING

    def _hear(self, unfinished: int, heard: int) -> Turn:
        was, self.lasted = self.is_stalled, self.silent
        self._heard, self._owes = heard, unfinished > 0
        self.is_stalled, self.silent, self._next_look = False, 0.0, self._limit
        return Turn.RECOVERED if was else Turn.NOTHING

    def judge(self, heard: int, is_compiling: bool) -> bool:
        """After a look at its stacks: whether it is stalled, which it was not before."""
        if heard != self._heard:
            # The next tick takes it in.
            return False
        if is_compiling and self.silent < max(COMPILE_SECONDS, self._limit):
            self._next_look = self.silent + LOOK_AGAIN_SECONDS
            return False
        self.is_stalled = True
        return True
