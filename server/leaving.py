"""How a process ends: its parts say their last words, the newest first, within one budget."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from server.signals.hook_errors import guarded

SECONDS = 15.0
"""All of it; supervisord and compose wait longer before they kill, which a test holds them to."""


class End:
    """The end of a process: a budget in seconds that begins when it is made.

    `died` is True where the engine ended by itself. `noted` is when a number changed last
    (monotonic seconds): until a scrape has seen that, it would be lost.
    """

    def __init__(self, died: bool, seconds: float = SECONDS) -> None:
        self.died = died
        self.noted = 0.0
        self._until = time.monotonic() + seconds

    def note(self, changed: float) -> None:
        """Numbers changed at the time (monotonic seconds)."""
        self.noted = max(self.noted, changed)

    def left(self, keep: float = 0.0) -> float:
        """Seconds left, less those that are kept for what comes after; never below 0."""
        return max(0.0, self._until - time.monotonic() - keep)


class Leaving:
    """What each part has to say at the end, in the order in which the parts were made."""

    def __init__(self) -> None:
        self._last_words: list[Callable[[End], None]] = []

    def add(self, last_words: Callable[[End], None]) -> None:
        """Have this called at the end, before what was added earlier."""
        self._last_words.append(last_words)

    def leave(self, end: End) -> None:
        """Call all of it; none is kept from its turn by what another raises."""
        with ExitStack() as stack:
            for last_words in self._last_words:
                stack.callback(_guarded, last_words, end)


def _guarded(last_words: Callable[[End], None], end: End) -> None:
    said = False
    with guarded("leaving"):
        last_words(end)
        said = True
    if not said:
        # The failure is counted, which a scrape should see as well.
        end.note(time.monotonic())
