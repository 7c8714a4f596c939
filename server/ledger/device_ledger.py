"""The ledger: what the devices cost, nanosecond for nanosecond, and what it was for.

    bill = requests + idle + start-up + stall + lost (+ what requests in flight have used: open)

The engine core measures and shares (server/engine_core/step_meter.py). Here the timeline says what
time was for, the accounts what is awaited and settled of whom, and the till what that costs; this
joins them, and its lock is the only one that they have.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from server.ledger.accounts import Account, Accounts
from server.ledger.bill import Books, Key
from server.ledger.calendar import Periods
from server.ledger.money import Open, Till
from server.ledger.timeline import Span, Timeline
from server.record.request import GpuUse, RequestRecord
from server.wire.report import Report, Settlement


class Ledger:
    """Books device time; every method may be called from any thread.

    `start` is when the process started, ns of CLOCK_MONOTONIC; `price` tells microdollars an hour
    for all devices together, None where none is known: then time is measured and no money booked.
    Without `price` nobody measures, and the ledger only holds what was carried into it.
    The books go on from `carried`, what an earlier process had counted; no period takes it again.
    `on_late` is told of a request that was settled after it was recorded.
    """

    def __init__(
        self,
        start: int,
        price: Callable[[], int | None] | None,
        periods: Periods | None = None,
        carried: Mapping[Key, int] | None = None,
        on_late: Callable[[RequestRecord, GpuUse], None] = lambda _record, _use: None,
    ) -> None:
        self.measured = price is not None
        self._lock = threading.RLock()
        self._timeline = Timeline(start)
        self._accounts = Accounts()
        self._till = Till(price or (lambda: None), periods, carried)
        self.carried, self.books = self._till.carried, self._till.books
        self._on_late = on_late
        self._step_model: tuple[int, float | None] = (0, None)

    # What requests do

    def open(self, request_id: str, changed: Callable[[], None]) -> Account:
        """The account of an HTTP request; `changed` is called when something of it is settled."""
        with self._lock:
            return self._accounts.open(request_id, changed)

    def begin_call(self, now: int) -> None:
        """A request is about to be handed to the engine: up to now it may have been idle."""
        with self._lock:
            self.tick(now)
            self._accounts.begin_call()

    def end_call(self, request_id: str, engine_ids: Iterable[str]) -> None:
        """It was handed over, as these engine requests."""
        with self._lock:
            self._accounts.end_call(request_id, () if self.fault else engine_ids)

    def use(self, account: Account) -> GpuUse | None:
        """What the request used; None where it did not use the engine or not all is settled."""
        with self._lock:
            return account.use(priced=self.rate is not None)

    def book(self, request_id: str, record: RequestRecord, now: int) -> None:
        """The request is recorded: its cost leaves `open` for its model and tenant."""
        with self._lock:
            account = self._accounts.record(request_id, record, now)
            if account is not None:
                self._till.book_request(account.nanodollars, record)

    # What the engine tells

    def receive(self, report: Report, request_id_of: Callable[[str], str | None]) -> None:
        """Take in the engine's books; `request_id_of` reads an HTTP request's id in an engine's."""
        with self._lock:
            self._till.refresh()
            if report.fault:
                if not self.fault:
                    self._lose(self._timeline.fail(report.cursor, report.fault))
                return
            self._pay(self._timeline.receive(report))
            self._step_model = report.version, report.error
            told = [
                tell
                for settlement in report.settlements
                for tell in self._settle(settlement, request_id_of(settlement.request_id))
            ]
            # After the last is booked: whoever listens can raise, and no money may stay behind.
            for tell in told:
                tell()

    def _settle(
        self, settlement: Settlement, request_id: str | None
    ) -> Iterable[Callable[[], None]]:
        amount = self._till.pay(settlement.nanoseconds)
        account = self._accounts.settle(settlement, request_id, amount)
        if account is None:
            self._till.book_stray(amount)
            return
        yield account.changed
        if account.complete and account.record is not None:
            self._till.book_request(account.nanodollars, account.record)
            use = account.use(priced=self.rate is not None)
            if use is not None:
                yield partial(self._on_late, account.record, use)

    def _lose(self, spans: Iterable[Span]) -> None:
        self._pay(spans)
        lost, accounts = self._accounts.give_up()
        self._till.book_lost(lost)
        for account in accounts:
            account.changed()

    # What the clock says

    def ready(self, now: int) -> None:
        """The server answers from now on: start-up is over."""
        with self._lock:
            self.tick(now)
            self._timeline.ready()

    def tick(self, now: int) -> None:
        """Book what has passed for certain: start-up, idle, or lost once accounting failed."""
        with self._lock:
            self._till.refresh()
            for account in self._accounts.late(now):
                if account.record is not None:
                    self._till.book_request(account.nanodollars, account.record)
            self._pay(self._timeline.tick(now, self._accounts.busy))

    def close(self, now: int, died: bool) -> None:
        """The process ends. What the engine did not settle is lost; the rest was idle."""
        with self._lock:
            self.tick(now)
            if died or not self._accounts.empty:
                self._lose(self._timeline.lose(now))
            else:
                self._pay(self._timeline.end(now))

    def _pay(self, spans: Iterable[Span]) -> None:
        for part, nanoseconds in spans:
            self._till.pay_part(part, nanoseconds)

    # What is shown

    @property
    def error(self) -> int:
        """The engine's clock less all time that is accounted and paid for, ns: 0, always."""
        with self._lock:
            return self._timeline.error + self._timeline.taken - self._till.nanoseconds

    @property
    def money_error(self) -> int:
        """All that was paid less all that is booked or open, nanodollars: 0, always."""
        with self._lock:
            return self._till.error(self._accounts.nanodollars)

    @property
    def fault(self) -> str:
        """Why device time is no longer accounted for; empty while it is."""
        return self._timeline.fault

    @property
    def step_model(self) -> tuple[int, float | None]:
        """Version and held-out error of the model that shares the steps."""
        return self._step_model

    @property
    def rate(self) -> int | None:
        """Microdollars an hour for all devices, None where no price is known."""
        return self._till.rate

    def still(self) -> AbstractContextManager[bool]:
        """Nothing is booked while the block runs, neither here nor in the periods."""
        return self._lock

    def snapshot(self, now: int) -> tuple[Books, Open]:
        """The books and what is open, of one moment: together they are the whole bill."""
        with self._lock:
            self.tick(now)
            return Counter(self.books), self.unrecorded(now)

    def unrecorded(self, now: int) -> Open:
        """What requests that are not recorded yet have cost; unsettled time is an estimate."""
        with self._lock:
            unsettled = self._till.estimate(self._timeline.open(now))
            return Open(self._accounts.nanodollars, unsettled)
