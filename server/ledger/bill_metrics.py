"""Shows the ledger on /metrics and keeps it on disk: where one process ends, the next goes on.

What is shown is what was kept. So a counter of the ledger never falls, whoever scrapes it and
whenever the process is killed, and nobody has to know what was scraped (docs/decisions/0013).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from prometheus_client.registry import Collector

from server.catalogue import Metric, cost, device_bill
from server.ledger.bill import Books, Key, Part, part
from server.ledger.books import BookFile
from server.ledger.calendar import Periods
from server.ledger.device_ledger import Ledger
from server.ledger.money import Open
from server.record.request import Outcome
from server.signals.hook_errors import failed, guarded
from server.signals.instruments import Family, family, single
from server.storage.writer import Writer

_log = logging.getLogger(__name__)
SAVE_SECONDS = 1.0
"""How often the books are kept: the time of a killed process is known to this."""
SCRAPE_PATIENCE_SECONDS = 0.5
"""How long a scrape waits for the disk before it shows what was kept last."""


def keys(models: Iterable[str], tenants: Iterable[str]) -> Iterator[Key]:
    """Every key that is known at start: increase() cannot see a new series' first increment."""
    yield from (("part", each.value) for each in Part)
    yield from (("model", model, outcome.value) for model, outcome in product(models, Outcome))
    yield from (("tenant", tenant) for tenant in tenants)


@dataclass(frozen=True, slots=True)
class Page:
    """The books and what is open of one moment (s, monotonic)."""

    books: Books
    open: Open
    moment: float


class Bookkeeper(Collector):
    """Exposes a ledger that has a price, as it was kept last.

    Without a state folder nothing is kept, and what is shown is what stands in the ledger. `known`
    are the keys that can occur, asked for at each scrape: an adapter may be loaded later.
    """

    def __init__(
        self,
        ledger: Ledger,
        file: BookFile,
        periods: Periods,
        known: Callable[[], Iterable[Key]] = tuple,
    ) -> None:
        self._ledger = ledger
        self._file = file
        self._periods = periods
        self._known = known
        self._writer = Writer(self._keep, partial(failed, "ledger"), "ledger-writer", SAVE_SECONDS)
        # What was open is lost: the periods know what of it was settled, and not yet as whose.
        periods.add_bill(file.unbilled, part(Part.LOST))
        periods.add_use(file.settled, part(Part.LOST))
        # Until something is kept: what the file holds, with what was lost with the process before.
        self._kept = Page(ledger.carried, Open(0, 0), time.monotonic())

    def start(self) -> None:
        """Keep the books every SAVE_SECONDS from now on."""
        self._writer.start()

    def describe(self) -> list[Family]:
        """Nothing: what there is depends on the price."""
        return []

    def collect(self) -> Iterator[Family]:
        """Every family of the ledger; none that is money while the devices have no price."""
        page = self._page()
        yield single(device_bill.LEDGER_ERROR, self._ledger.error / 1e9)
        yield single(device_bill.LEDGER_AGE, max(0.0, time.monotonic() - page.moment))
        yield from self._step_model()
        rate = self._ledger.rate
        if rate is None:
            return
        yield self._counters(device_bill.BILL, "part", page.books)
        yield self._counters(cost.GPU_COST, "model", page.books)
        yield self._counters(cost.TENANT_GPU_COST, "tenant", page.books)
        yield self._counters(device_bill.BILL_CARRIED, "part", self._ledger.carried)
        yield self._carried(page.books)
        yield single(device_bill.BILL_OPEN, page.open.nanodollars / 1000)
        yield single(device_bill.DEVICE_PRICE, rate / 3600)
        yield single(device_bill.BILL_TODAY, self._periods.billed("day") / 1000)
        yield single(device_bill.BILL_MONTH, self._periods.billed("month") / 1000)

    def _page(self) -> Page:
        if not self._file.exists:
            return self._look()
        self._writer.ask(SCRAPE_PATIENCE_SECONDS)
        return self._kept

    def _look(self) -> Page:
        now = time.monotonic_ns()
        books, open_ = self._ledger.snapshot(now)
        return Page(books, open_, now / 1e9)

    def _keep(self) -> None:
        with self._ledger.still():
            page, periods = self._look(), self._periods.state()
        self._file.write(page.books, page.open.nanodollars, page.open.unsettled, periods)
        self._kept = page

    def _step_model(self) -> Iterator[Family]:
        version, error = self._ledger.step_model
        yield single(device_bill.STEP_MODEL_VERSION, float(version))
        if error is not None:
            yield single(device_bill.STEP_MODEL_ERROR, error)

    def _counters(self, metric: Metric, table: str, books: Books) -> Family:
        found = family(metric)
        for key in self._shown(table, books):
            found.add_metric(list(key[1:]), books[key] / 1000)
        return found

    def _shown(self, table: str, books: Books) -> Iterable[Key]:
        # Models and tenants of the past stay in the file: on /metrics their number has no bound.
        carried = self._ledger.carried
        used = (key for key, amount in books.items() if amount != carried[key])
        return dict.fromkeys(key for key in (*self._known(), *used) if key[0] == table)

    def _carried(self, books: Books) -> Family:
        found, carried = family(device_bill.GPU_COST_CARRIED), self._ledger.carried
        for table in ("model", "tenant"):
            amount = sum(carried[key] for key in self._shown(table, books))
            found.add_metric([table], amount / 1000)
        return found

    def close(self, died: bool, patience: float) -> None:
        """The process ends: close the ledger, say what it came to, keep it within so many s."""
        with guarded("ledger"):
            self._ledger.close(time.monotonic_ns(), died)
            books = self._ledger.books
            parts = {
                each.value: (books["part", each] - self._ledger.carried["part", each]) / 1000
                for each in Part
            }
            _log.info("ledger closed, microdollars: %s", parts)
            self._say_money_error()
        if not self._writer.end(patience):
            _log.error("the last books could not be kept in %g s", patience)

    def _say_money_error(self) -> None:
        error = self._ledger.money_error
        if error:
            _log.error("%d nanodollars were paid and are in no book, or less than 0: twice", error)
