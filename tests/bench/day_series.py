"""What /metrics of the server says at each scrape of the day: the real collectors, fed in time.

One process has one registry, so a process can make one day only.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

from prometheus_client import PROCESS_COLLECTOR, REGISTRY

from server.ledger.bill import Books, Part, part
from server.ledger.bill_metrics import Bookkeeper, keys
from server.ledger.books import BookFile
from server.ledger.calendar import Periods
from server.ledger.calendar_metrics import PeriodCollector
from server.ledger.device_ledger import Ledger
from server.ledger.money import Open
from server.record.request import Operation, RequestRecord
from server.requests import saturation
from server.signals import hook_errors, instruments, red
from server.signals.labels import OTHER
from server.signals.otlp import ItemCounts
from tests.bench import day_prices
from tests.bench.day_requests import MICRODOLLARS_PER_HOUR, MODELS, TENANTS, Plan, ended_ns

Labels: TypeAlias = tuple[tuple[str, str], ...]
Sample: TypeAlias = tuple[str, Labels, float]
"""Name, labels, value."""


class _Ledger(Ledger):
    """The real books with records of the past booked in them; what nobody used was idle."""

    def __init__(self, periods: Periods) -> None:
        super().__init__(0, lambda: MICRODOLLARS_PER_HOUR)
        self._periods = periods
        self.open_nanodollars = 1_000_000

    def past(self, record: RequestRecord) -> None:
        """Book a request that ended."""
        amount = (record.gpu.nanodollars if record.gpu else None) or 0
        self.books["part", Part.REQUESTS] += amount
        self.books["model", record.model, record.outcome.value] += amount
        self.books["tenant", record.tenant] += amount

    def pass_time(self, seconds: float) -> None:
        """Bill the device's time since the last call, less what requests used of it."""
        bill = int(seconds * MICRODOLLARS_PER_HOUR / 3.6)
        self._periods.add_bill(bill, part(Part.IDLE))
        self.books["part", Part.IDLE] += bill // 2

    @property
    def step_model(self) -> tuple[int, float | None]:
        """As after some hours of serving."""
        return 3, 0.04

    def snapshot(self, now: int) -> tuple[Books, Open]:
        """The books as they stand; `now` is of a clock that the past has not."""
        return Counter(self.books), Open(0, self.open_nanodollars)


@dataclass
class Server:
    """The server's registry through the day.

    `moment` is Unix seconds, a scrape comes each `seconds` and adds the labels of its `target`.
    """

    folder: Path
    target: Labels
    moment: float
    seconds: float
    models: Sequence[str] = MODELS

    def __post_init__(self) -> None:
        """Register what a server that starts registers."""
        REGISTRY.unregister(PROCESS_COLLECTOR)
        self._dice = Random(0)
        self._costs = day_prices.tracker(self.folder)
        self._periods = Periods(None, lambda: self.moment, lambda: self.moment)
        self._ledger = _Ledger(self._periods)
        known = tuple(keys(self.models, TENANTS))
        REGISTRY.register(Bookkeeper(self._ledger, BookFile(None), self._periods, lambda: known))
        REGISTRY.register(PeriodCollector(self._periods, day_prices.BUDGETS))
        self._create()

    def _create(self) -> None:
        hook_errors.create_label_sets()
        red.create_label_sets(self.models, TENANTS, tuple(Operation))
        self._costs.create_label_sets(self.models, TENANTS)
        self._costs.create_gpu_label_sets(self.models)
        self._items = [ItemCounts("logs"), *[ItemCounts("spans")] * 6]
        for model in self.models:
            instruments.GPU_COST_MISSING.labels(model)

    def observe(self, record: RequestRecord) -> None:
        """Count a request that ended, as the server does."""
        cost = self._costs.cost(record)
        red.observe(record)
        self._costs.observe(record, cost)
        if cost is not None:
            self._periods.add_spend(record.tenant, record.model, cost)
        self._ledger.past(record)
        for counts in self._items:
            counts.admit()
            counts.settle(1, delivered=True)

    def samples(self, moment: float) -> Iterator[Sample]:
        """What a scrape at this moment reads."""
        self.moment = moment
        self._ledger.pass_time(self.seconds)
        self._set_gauges()
        for family in REGISTRY.collect():
            for sample in family.samples:
                labels = (*sample.labels.items(), *self.target)
                yield sample.name, labels, float(sample.value)

    def _set_gauges(self) -> None:
        for model in (*self.models, OTHER):
            instruments.IN_FLIGHT.labels(model).set(self._dice.randrange(40))
            instruments.OLDEST_WAITING.labels(model).set(self._dice.random())
        for _ in range(int(self.seconds / saturation.TICK_SECONDS)):
            saturation.observe_lag(self._dice.expovariate(1000))


def steps(plan: Plan, seconds: float) -> list[float]:
    """The moments of the day's scrapes, the last one at its end."""
    count = int(plan.hours * 3600 / seconds)
    return [plan.end - seconds * (count - number) for number in range(1, count + 1)]


def scrapes(
    server: Server, records: Iterable[RequestRecord], moments: Iterable[float]
) -> Iterator[tuple[float, Iterator[Sample]]]:
    """Each scrape: its moment, and the samples of all that ended before it."""
    rest = iter(records)
    ahead = next(rest, None)
    for moment in moments:
        while ahead is not None and ended_ns(ahead) <= moment * 1e9:
            server.observe(ahead)
            ahead = next(rest, None)
        yield moment, server.samples(moment)
