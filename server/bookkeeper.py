"""Shows the ledger on /metrics and keeps it on disk: what one process counts, the next may tell."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from prometheus_client.registry import Collector

from server.books import BookFile, Books, Key, Part
from server.catalogue import Metric, cost
from server.guard import guarded
from server.ledger import Ledger
from server.metrics import Family, family, single
from server.periods import Periods
from server.record import Outcome

_log = logging.getLogger(__name__)
SAVE_SECONDS = 1.0
"""How often the books are kept: the time of a killed process is known to this."""


def keys(models: Iterable[str], tenants: Iterable[str]) -> Iterator[Key]:
    """Every key that is known at start: increase() cannot see a new series' first increment."""
    yield from (("part", part.value) for part in Part)
    yield from (("model", model, outcome.value) for model, outcome in product(models, Outcome))
    yield from (("tenant", tenant) for tenant in tenants)


class Bookkeeper(Collector):
    """Exposes a ledger that has a price, and remembers what of it Prometheus has seen."""

    def __init__(
        self, ledger: Ledger, file: BookFile, periods: Periods, known: Sequence[Key]
    ) -> None:
        self._ledger = ledger
        self._file = file
        self._periods = periods
        self._known = tuple(known)
        self._left = file.left
        periods.add_bill(file.open)
        self._shown: Books = Counter()
        self._seen: Books = Counter()

    def describe(self) -> list[Family]:
        """Nothing: what there is depends on the price."""
        return []

    def collect(self) -> Iterator[Family]:
        """Every family of the ledger; none that is money while the devices have no price."""
        books, open_ = self._ledger.snapshot(time.monotonic_ns())
        yield single(cost.LEDGER_ERROR, self._ledger.error / 1e9)
        yield from self._step_model()
        rate = self._ledger.rate
        if rate is None:
            return
        self._shown = books
        yield self._counters(cost.BILL, "part", books)
        yield self._counters(cost.GPU_COST, "model", books)
        yield self._counters(cost.TENANT_GPU_COST, "tenant", books)
        yield self._counters(cost.BILL_CARRIED, "part", self._ledger.carried)
        yield single(cost.BILL_OPEN, open_ / 1000)
        yield single(cost.DEVICE_PRICE, rate / 3600)
        yield single(cost.BILL_TODAY, self._periods.billed("day") / 1000)
        yield single(cost.BILL_MONTH, self._periods.billed("month") / 1000)

    def _step_model(self) -> Iterator[Family]:
        version, error = self._ledger.step_model
        yield single(cost.STEP_MODEL_VERSION, float(version))
        if error is not None:
            yield single(cost.STEP_MODEL_ERROR, error)

    def _counters(self, metric: Metric, table: str, books: Books) -> Family:
        found = family(metric)
        every = dict.fromkeys(key for key in (*self._known, *books) if key[0] == table)
        for key in every:
            found.add_metric(list(key[1:]), books[key] / 1000)
        return found

    def seen(self) -> None:
        """What was last shown is about to reach Prometheus."""
        self._seen = self._shown
        self.save()

    def carry(self) -> None:
        """Count what an earlier process left; only once the counters have been seen without it."""
        left, self._left = self._left, Counter()
        self._ledger.add(left)
        self.save()

    async def keep(self) -> None:
        """Keep the books every SAVE_SECONDS, for ever."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await asyncio.to_thread(self.save)

    def close(self, died: bool) -> None:
        """The process ends: close the ledger, say what it came to, keep it."""
        with guarded("ledger"):
            self._ledger.close(time.monotonic_ns(), died)
            parts = {part.value: self._ledger.books["part", part] / 1000 for part in Part}
            _log.info("ledger closed, microdollars: %s", parts)
        self.save()

    def save(self) -> None:
        """Keep the books as they stand."""
        with guarded("ledger"):
            books, open_ = self._ledger.snapshot(time.monotonic_ns())
            self._file.write(books, self._seen, self._left, open_, self._periods.state())
