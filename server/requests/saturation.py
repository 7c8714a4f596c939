"""USE of the API process: who waits for a first token, and how late the event loop wakes up."""

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from server.requests.live_request import LiveRequest
from server.signals import instruments
from server.signals.hook_errors import guarded

TICK_SECONDS = 0.1
"""How often the event loop's lag is sampled."""


class Waiting:
    """The requests in flight; a scrape asks how old the oldest without a first token is."""

    def __init__(self) -> None:
        self._live: dict[int, LiveRequest] = {}

    def create_label_sets(self, models: Iterable[str]) -> None:
        """Have each model's gauge read from here."""
        for model in models:
            instruments.OLDEST_WAITING.labels(model).set_function(partial(self.oldest, model))

    def add(self, live: LiveRequest) -> None:
        """Note a request that was accepted."""
        self._live[id(live)] = live

    def remove(self, live: LiveRequest) -> None:
        """Forget a request that ended."""
        self._live.pop(id(live), None)

    def oldest(self, model: str) -> float:
        """Seconds since the start of the model's oldest request without a first token, else 0."""
        # A scrape runs in a thread of its own: the copy is one step, a loop over the dict is many.
        lives = list(self._live.values())
        starts = (live.started for live in lives if live.model == model and not _answered(live))
        first = min(starts, default=None)
        return 0.0 if first is None else time.monotonic() - first


def _answered(live: LiveRequest) -> bool:
    states = (state for call in live.calls for state in call.states)
    return any(state.stats is not None and state.stats.first_token_ts for state in states)


async def watch_event_loop() -> None:
    """Sample the running loop's lag, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        with guarded("event_loop"):
            observe_lag(loop.time() - due)


def observe_lag(late: float) -> None:
    """Observe a wake-up `late` seconds late and every tick that it swallowed.

    One long block is one late wake-up: without the ticks it swallowed, each with the lag that it
    would have seen, a second of standstill would hide among many good tenths.
    """
    instruments.EVENT_LOOP_LAG.observe(max(0.0, late))
    while (late := late - TICK_SECONDS) > 0:
        instruments.EVENT_LOOP_LAG.observe(late)
