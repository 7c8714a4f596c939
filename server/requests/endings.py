"""Ended requests wait a moment for each other: what the processor has just run costs half.

Beside requests a record's way into metrics, spans and log lines took 1.3 ms by itself, and takes
0.7 ms where one follows the other (docs/performance.md).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from server.record.request import RequestRecord
from server.requests.live_request import LiveRequest

TOGETHER_SECONDS = 0.25
"""How long the first waits; with a killed process it is lost, as what the exporters hold is."""
MOST = 64
"""So many wait; in a flood (of refusals, say) each that comes then is recorded in its own time."""
TURN = 8
"""How many are recorded at a time, some 5 ms: then the event loop looks after its streams."""


class Ending(NamedTuple):
    """A request that was over `at` (Unix seconds), with its cost in microdollars."""

    live: LiveRequest
    record: RequestRecord
    cost: Decimal | None
    probe: bool
    at: float


class Endings:
    """Hands each ending to `record` once, so many seconds later or at `flush`; at once for 0.

    `record` must not raise.
    """

    def __init__(self, record: Callable[[Ending], None], seconds: float) -> None:
        self._record = record
        self._seconds = seconds
        self._waiting: deque[Ending] = deque()
        self._recording = threading.Lock()
        self._is_due = False

    def add(self, ending: Ending) -> None:
        """A request is over; called in the event loop."""
        if not self._seconds or len(self._waiting) >= MOST:
            self._record(ending)
            return
        self._waiting.append(ending)
        if not self._is_due:
            self._come_again(self._seconds)

    def flush(self) -> None:
        """Record all that have ended, now; may be called from any thread."""
        with self._recording:
            self._record_some(len(self._waiting))

    def _come_again(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._turn)
        self._is_due = True

    def _turn(self) -> None:
        self._is_due = False
        # Of who is at it already, a scrape, the loop does not wait for it.
        is_ours = self._recording.acquire(blocking=False)
        if is_ours:
            try:
                self._record_some(TURN)
            finally:
                self._recording.release()
        if self._waiting:
            self._come_again(0.0 if is_ours else self._seconds)

    def _record_some(self, most: int) -> None:
        for _ in range(min(most, len(self._waiting))):
            self._record(self._waiting.popleft())
