"""The time that an ending process has left: one budget for everything that it still has to say."""

import time

SECONDS = 15.0
"""All of it; supervisord and compose wait longer before they kill, which a test holds them to."""


class Leave:
    """A budget in seconds that begins when it is made."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._until = time.monotonic() + seconds

    def left(self, keep: float = 0.0) -> float:
        """Seconds left, less those that are kept for what comes after; never below 0."""
        return max(0.0, self._until - time.monotonic() - keep)
