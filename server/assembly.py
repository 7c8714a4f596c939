"""What a server is made of, read and checked before its engine starts, which takes minutes."""

import os
import time
from collections.abc import Collection

import vllm
from prometheus_client import REGISTRY
from vllm.config import VllmConfig

from server.engine_client import metering
from server.gateway.api_keys import read_tenants
from server.gateway.cors import Cors
from server.gateway.gate import Gate
from server.gateway.routes import Routes
from server.leaving import End, Leaving
from server.ledger.bill_metrics import Bookkeeper, keys
from server.ledger.books import BookFile
from server.ledger.calendar import Periods
from server.ledger.calendar_metrics import PeriodCollector
from server.ledger.device_ledger import Ledger
from server.pricing.budgets import check_tenants, read_budgets
from server.pricing.price_file import PriceFile
from server.pricing.request_cost import CostTracker
from server.readiness.stall import Pulse
from server.readiness.state import Readiness
from server.requests.endings import TOGETHER_SECONDS
from server.requests.in_flight_journal import Journal
from server.requests.lifecycle import Observer
from server.requests.models import Models
from server.settings import Settings
from server.signals import logs, nvml, otlp, process
from server.signals.exposition import LAST_SCRAPE_SECONDS, Exposition
from server.signals.tracing import Tracing
from server.storage.state_dir import StateDir

DISK_SECONDS = 2.0
"""How long the end waits for a disk that does not answer."""


class Parts:
    """Each is made once; raises SettingsError for what an operator has to mend."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self.settings = settings
        self.models = models
        self.state = StateDir(settings.state_dir)
        self.prices = PriceFile(settings.prices_file)
        self.tenants = read_tenants(settings.keys_file)
        self.budgets = read_budgets(settings.budgets_file)
        check_tenants(settings.budgets_file, self.budgets, self.tenants.names)
        self.costs = CostTracker(self.prices, self.budgets.watched)
        self.leaving = Leaving()
        self.readiness, self.pulse = Readiness(), Pulse()
        self.readiness.show()
        self.exposition = Exposition(settings)
        self.leaving.add(self._await_last_scrape)
        self._spans = _span_processor(settings)
        self.tracing = Tracing(
            otlp.resource(settings, vllm.__version__), self._spans, settings.callers_count_tokens
        )
        self.leaving.add(self._send_what_waits)
        self.journal = Journal(self.state.path)
        self.leaving.add(lambda _: self.journal.close(DISK_SECONDS))
        self._books = BookFile(self.state.path)
        self.periods = Periods(self._books.periods)

    def ledger(self, config: VllmConfig) -> Ledger:
        """Have device time measured where that is possible; the ledger that prices and books it."""
        measured = metering.meter(config)
        return Ledger(
            process.started(),
            metering.DevicePrice(self.prices, config) if measured else None,
            self.periods,
            self._books.carried,
            logs.request_settled_late,
        )

    def gate(self, abilities: Collection[str], cors: Cors, ledger: Ledger) -> Gate:
        """The gate to a model that can do these things, and behind it the observer."""
        routes = Routes(abilities, self.settings.tokenize_route)
        observer = Observer(
            self.tenants.names,
            routes.operations,
            self.models,
            self.costs,
            self.tracing,
            self.journal,
            self.periods,
            ledger if ledger.measured else None,
            TOGETHER_SECONDS,
        )
        return Gate(observer, routes, self.tenants, self.settings, cors, self.readiness)

    def keep_books(self, observer: Observer, ledger: Ledger) -> None:
        """Begin to keep the ledger's books, and have /metrics show what is read at the scrape."""
        keeper = Bookkeeper(ledger, self._books, self.periods, lambda: keys(*observer.labels))
        keeper.start()
        self.leaving.add(lambda end: _close_books(keeper, end))
        # Before the books are closed: what a request spent stands in them.
        self.leaving.add(lambda end: _last_records(observer, end))
        self.exposition.before_each(observer.flush)
        REGISTRY.register(process.ProcessCollector())
        REGISTRY.register(PeriodCollector(self.periods, self.budgets))
        if ledger.measured:
            REGISTRY.register(keeper)
        gpus = nvml.collector()
        if gpus is not None:
            REGISTRY.register(gpus)

    def _send_what_waits(self, end: End) -> None:
        ways = [way for way in (self._spans, logs.way_out(os.getpid())) if way is not None]
        if otlp.end(ways, end.left(keep=LAST_SCRAPE_SECONDS)):
            # Counted last, lost first: what no scrape has seen would die with the process.
            end.note(time.monotonic())

    def _await_last_scrape(self, end: End) -> None:
        self.exposition.wait_for_scrapers(end.noted, min(end.left(), LAST_SCRAPE_SECONDS))


def _last_records(observer: Observer, end: End) -> None:
    observer.flush()
    end.note(observer.last_record)


def _close_books(keeper: Bookkeeper, end: End) -> None:
    keeper.close(end.died, DISK_SECONDS)
    if end.died:
        end.note(time.monotonic())


def _span_processor(settings: Settings) -> otlp.CountingSpanProcessor | None:
    if not settings.otlp_endpoint:
        return None
    exporter = otlp.span_exporter(settings.otlp_endpoint)
    return otlp.CountingSpanProcessor(exporter, otlp.ItemCounts("spans"))
