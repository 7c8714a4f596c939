"""The ledger: what the devices cost, nanosecond for nanosecond, and what it was for.

    bill = requests + idle + start-up + stall + lost (+ what requests in flight have used: open)

The engine core measures and shares (server/engine_core/step_meter.py), this prices and books. Its
cursor is CLOCK_MONOTONIC since the process started; between two reports of the engine it books idle
time as it passes, up to the moment at which a request is handed over (docs/cost.md).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

from server.ledger.accounts import Account
from server.ledger.books import Books, Key, Part
from server.ledger.calendar import Periods
from server.ledger.money import Purse, Till
from server.record.request import GpuUse, RequestRecord
from server.wire.report import Report, Settlement


class Open(NamedTuple):
    """Nanodollars of requests that are not recorded yet; of what is `settled` the periods know."""

    settled: int
    unsettled: int

    @property
    def nanodollars(self) -> int:
        """All of it."""
        return self.settled + self.unsettled


LATE_NS = 30_000_000_000
"""How long a settlement is awaited for a request that is recorded already."""


class Ledger:
    """Books device time; every method may be called from any thread.

    `start` is when the process started, ns of CLOCK_MONOTONIC; `price` is microdollars an hour for
    all devices together, None where none is known: then time is measured and no money is booked.
    The books go on from `carried`, what an earlier process had counted; no period takes it again.
    `on_late` is told of a request that was settled after it was recorded.
    """

    def __init__(
        self,
        start: int,
        price: Callable[[], int | None],
        periods: Periods | None = None,
        carried: Mapping[Key, int] | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._start = self._paid_until = start
        self._till = Till(price, periods)
        self._ready = False
        self._last: Report | None = None
        self._credit = 0
        self._calls = 0
        self._accounts: dict[str, Account] = {}
        self._owners: dict[str, str] = {}
        self._settled = 0
        self._time: Counter[Part] = Counter()
        self.carried: Books = Counter(carried)
        self.books: Books = Counter(carried)
        self.on_late: Callable[[RequestRecord, GpuUse], None] = lambda _record, _use: None
        self.error = 0
        self.fault = ""

    def priced_by(self, price: Callable[[], int | None]) -> None:
        """Book money from here on, for the time since the process started too."""
        with self._lock:
            self._till.price = price
            self._till.refresh()

    # What requests do

    def open(self, request_id: str, changed: Callable[[], None]) -> Account:
        """The account of an HTTP request; `changed` is called when something of it is settled."""
        with self._lock:
            account = self._accounts.setdefault(request_id, Account())
            account.changed = changed
            return account

    def begin_call(self, now: int) -> None:
        """A request is about to be handed to the engine: up to now it may have been idle."""
        with self._lock:
            self.tick(now)
            self._calls += 1

    def end_call(self, request_id: str, engine_ids: Iterable[str]) -> None:
        """It was handed over, as these engine requests."""
        with self._lock:
            self._calls -= 1
            account = self._accounts.get(request_id)
            if account is None or self.fault:
                return
            for engine_id in engine_ids:
                if engine_id not in account.settled:
                    account.awaited.add(engine_id)
                    self._owners[engine_id] = request_id

    def use(self, account: Account) -> GpuUse | None:
        """What the request used; None where it did not use the engine or not all is settled."""
        with self._lock:
            return account.use(priced=self._till.rate is not None)

    def book(self, request_id: str, record: RequestRecord, now: int) -> None:
        """The request is recorded: its cost leaves `open` for its model and tenant."""
        with self._lock:
            account = self._accounts.get(request_id)
            if account is None:
                return
            account.record, account.recorded = record, now
            if account.complete:
                self._book(request_id, account)

    def _book(self, request_id: str, account: Account) -> None:
        del self._accounts[request_id]
        for engine_id in account.awaited:
            self._owners.pop(engine_id, None)
        if account.record is not None:
            amount = account.nanodollars
            self.books["part", Part.REQUESTS] += amount
            self.books["model", account.record.model, account.record.outcome.value] += amount
            self.books["tenant", account.record.tenant] += amount

    # What the engine tells

    def receive(self, report: Report, request_id_of: Callable[[str], str | None]) -> None:
        """Take in the engine's books; `request_id_of` reads an HTTP request's id in an engine's."""
        with self._lock:
            self._till.refresh()
            if report.fault:
                self._give_up(report.fault, report.cursor)
                return
            self._take_idle(report)
            self._pay(Part.STALL, report.stall - (self._last.stall if self._last else 0))
            for settlement in report.settlements:
                self._settle(settlement, request_id_of(settlement.request_id))
            self._last = report
            self._paid_until = max(self._paid_until, report.cursor)
            self.error = report.cursor - self._start - self._accounted(report)

    def _take_idle(self, report: Report) -> None:
        if self._last is None:
            # Until here time was booked as start-up and idle by our own clock.
            self._pay(Part.START_UP, max(0, report.origin - self._paid_until))
            self._credit = max(0, self._paid_until - report.origin)
        passed = report.idle - (self._last.idle if self._last else 0)
        self._pay(Part.IDLE, max(0, passed - self._credit))
        self._credit = max(0, self._credit - passed)

    def _accounted(self, report: Report) -> int:
        booked = self._time[Part.START_UP] + self._time[Part.IDLE] + self._time[Part.STALL]
        return booked - self._credit + self._settled + report.open

    def _settle(self, settlement: Settlement, request_id: str | None) -> None:
        self._settled += settlement.nanoseconds
        amount = self._till.pay(settlement.nanoseconds)
        owner = self._owners.pop(settlement.request_id, request_id)
        account = self._accounts.get(owner) if owner else None
        if account is None:
            self._book_stray(amount)
            return
        account.awaited.discard(settlement.request_id)
        account.settled[settlement.request_id] = settlement
        account.nanodollars += amount
        account.changed()
        if account.complete and account.record is not None:
            self._book(str(owner), account)
            use = account.use(priced=self._till.rate is not None)
            if use is not None:
                self.on_late(account.record, use)

    def _book_stray(self, amount: int) -> None:
        # An engine request of no HTTP request that we know: nobody's, but not nothing.
        self.books["part", Part.REQUESTS] += amount
        self.books["model", "other", "ok"] += amount
        self.books["tenant", "other"] += amount

    def _give_up(self, fault: str, now: int) -> None:
        if not self.fault:
            self.fault = fault
            self._lose(now)

    # What the clock says

    def ready(self, now: int) -> None:
        """The server answers from now on: start-up is over."""
        with self._lock:
            self.tick(now)
            self._ready = True

    def tick(self, now: int) -> None:
        """Book what has passed for certain: start-up, idle, or lost once accounting failed."""
        with self._lock:
            self._till.refresh()
            self._drop_late(now)
            passed = max(0, now - self._paid_until)
            if self.fault:
                part = Part.LOST
            elif not self._ready:
                part = Part.START_UP
            elif self._calls or self._owners or (self._last and self._last.open):
                return
            else:
                part = Part.IDLE
            self._pay(part, passed)
            self._credit += 0 if self._last is None or self.fault else passed
            self._paid_until += passed

    def _drop_late(self, now: int) -> None:
        late = [
            (request_id, account)
            for request_id, account in self._accounts.items()
            if account.record is not None and now - account.recorded > LATE_NS
        ]
        for request_id, account in late:
            self._book(request_id, account)

    def close(self, now: int, died: bool) -> None:
        """The process ends. What the engine did not settle is lost; the rest was idle."""
        with self._lock:
            self.tick(now)
            if died or self._owners or self._accounts:
                self._lose(now)
            else:
                self._pay(Part.IDLE, max(0, now - self._paid_until))
                self._paid_until = max(self._paid_until, now)

    def _lose(self, now: int) -> None:
        unsettled = self._last.open if self._last else 0
        self._pay(Part.LOST, unsettled + max(0, now - self._paid_until))
        self._paid_until = max(self._paid_until, now)
        self._last = self._last._replace(open=0) if self._last else None
        self._owners.clear()
        for request_id, account in tuple(self._accounts.items()):
            account.awaited.clear()
            account.changed()
            self._move_to_lost(request_id, account)

    def _move_to_lost(self, request_id: str, account: Account) -> None:
        self.books["part", Part.LOST] += account.nanodollars
        account.settled.clear()
        account.nanodollars = 0
        if account.record is not None:
            del self._accounts[request_id]

    # Money

    def _pay(self, part: Part, nanoseconds: int) -> None:
        # Most steps have neither idle time before them nor a stall.
        self._time[part] += nanoseconds
        self.books["part", part] += self._till.pay(nanoseconds) if nanoseconds else 0

    @property
    def step_model(self) -> tuple[int, float | None]:
        """Version and held-out error of the model that shares the steps."""
        return (self._last.version, self._last.error) if self._last else (0, None)

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
        """What requests that are not recorded yet have cost.

        The time since the last report is an estimate: it may yet turn out to be a stall.
        """
        with self._lock:
            settled = sum(account.nanodollars for account in self._accounts.values())
            unsettled = self._last.open if self._last else 0
            since = max(0, now - self._paid_until) if self._ready and not self.fault else 0
            return Open(settled, Purse().pay(unsettled + since, self._till.rate or 0))
