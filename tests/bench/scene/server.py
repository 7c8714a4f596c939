"""The server's own registry through the day: fed with records, its gauges from the engine."""

import math
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.samples import Sample as Exposed

from server.ledger.bill import Part, part
from server.requests import saturation
from server.signals import instruments
from tests.bench import day_series
from tests.bench.day_requests import MICRODOLLARS_PER_HOUR
from tests.bench.day_series import Labels
from tests.bench.scene.engine import State
from tests.bench.scene.records import MODEL
from tests.bench.scene.story import DAY

_NANODOLLARS_PER_SECOND = MICRODOLLARS_PER_HOUR * 1000 / 3600
_LAGS_PER_SCRAPE = 20


class Server(day_series.Server):
    """Reads its engine at each scrape."""

    def __init__(self, folder: Path, target: Labels) -> None:
        """Register what a server that starts registers."""
        super().__init__(folder, target, DAY, 0.0, (MODEL,))
        self._billed = self._idle = 0
        self._state = State(DAY)

    def look(self, state: State, moment: float) -> None:
        """Take the engine's state at a moment, Unix seconds."""
        self.moment, self._state = moment, state
        self._bill(state.busy)

    def exposed(self) -> Iterator[tuple[Exposed, Labels]]:
        """Every sample of /metrics, exemplars included, with its labels in Prometheus."""
        self._set_gauges()
        for family in REGISTRY.collect():
            for sample in family.samples:
                yield sample, (*sample.labels.items(), *self.target)

    def _bill(self, busy: float) -> None:
        """The device's time since the day's start by what it was for; all of it is in the books."""
        passed, books = self.moment - DAY, self._ledger.books
        bill, idle = (int(each * _NANODOLLARS_PER_SECOND) for each in (passed, passed - busy))
        self._periods.add_bill(bill - self._billed, part(Part.IDLE))
        books["part", Part.IDLE] += max(0, idle - self._idle)
        self._billed, self._idle = bill, idle
        settled = books["part", Part.IDLE] + books["part", Part.REQUESTS]
        self._ledger.open_nanodollars = max(0, bill - settled)

    def _set_gauges(self) -> None:
        state = self._state
        waits = 0.0 if state.oldest == math.inf else max(0.0, self.moment - state.oldest)
        instruments.IN_FLIGHT.labels(MODEL).set(state.running + state.waiting)
        instruments.OLDEST_WAITING.labels(MODEL).set(waits)
        instruments.CLOCK.set(self.moment)
        # A full batch keeps the process that streams its tokens busy too.
        for _ in range(_LAGS_PER_SCRAPE):
            saturation.observe_lag(self._dice.expovariate(1000 / (1 + state.running / 8)))
