"""Fills a state folder: metrics as blocks first, then logs and traces through the Collector."""

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from server.signals import otlp
from stack.builds import gobuild
from stack.parts.lineup import LineUp
from stack.say import Ticker, clock, say, ticking
from stack.settings import Settings
from tests.bench import day_arrival, day_blocks, day_folder, day_prices, day_rules, day_stores
from tests.bench.day_blocks import Scrape
from tests.bench.day_folder import Contents
from tests.bench.day_others import SERVER, Others, targets
from tests.bench.day_requests import Plan, requests
from tests.bench.day_send import COLLECTOR, Source, send
from tests.bench.day_series import Server, scrapes, steps
from tests.bench.day_signals import Logs, Traces

_TRACES_PER_SECOND = {"tempo": 700.0}
"""Tempo holds each trace for up to 10 s, and throws away what comes while it holds 10,000."""


@contextmanager
def _timed(label: str) -> Iterator[Ticker]:
    """A step with a ticking line whose label may change; it says its time when it is done."""
    start = time.monotonic()
    with ticking(label) as ticker:
        yield ticker
    say(f"  {ticker.label}: {clock(time.monotonic() - start)}")


@dataclass(frozen=True)
class Fill:
    """What is filled where: `scrape` is the seconds between two samples of a series."""

    settings: Settings
    runs: LineUp
    plan: Plan
    scrape: float

    @property
    def _data(self) -> Path:
        return self.settings.state / "prometheus"

    @property
    def _promtool(self) -> Path:
        return gobuild.binary(self.settings, "promtool")

    def run(self) -> Contents:
        """Fill the folder anew and say what became of it; raises Fault for what did not arrive."""
        contents = Contents(self.plan, *self.runs.stores, complete=False)
        day_folder.take(self.settings.state, contents)
        self._data.mkdir()
        self._metrics()
        with day_stores.running(self.settings, self.runs, filling=True):
            self._signals()
            self._record()
            day_arrival.flush(self.runs.stores)
        done = replace(contents, complete=True)
        day_folder.mark(self.settings.state, done)
        return done

    def _metrics(self) -> None:
        total = 0
        with _timed("metrics") as ticker:
            for moment, count in day_blocks.write(self._scrapes(), self._promtool, self._data):
                total += count
                share = (moment - self.plan.start) / (self.plan.end - self.plan.start)
                ticker.label = f"metrics, {share:.0%} of the day"
            ticker.label = f"metrics, {total:,} samples, one each {self.scrape:g} s"

    def _scrapes(self) -> Iterator[Scrape]:
        jobs = targets(self.settings.repo, self.runs.stores)
        server = Server(self.settings.state, jobs[SERVER], self.plan.start, self.scrape)
        others = Others(jobs)
        moments = steps(self.plan, self.scrape)
        for moment, samples in scrapes(server, requests(self.plan), moments):
            yield moment, (*samples, *others.samples())

    def _signals(self) -> None:
        random.seed(self.plan.seed)
        costs = day_prices.tracker(self.settings.state)
        self._send("logs", Logs(costs, otlp.log_exporter(COLLECTOR)))
        pace = _TRACES_PER_SECOND.get(self.runs.traces, math.inf)
        self._send("traces", Traces(costs, otlp.span_exporter(COLLECTOR)), pace)
        with _timed("looking for them in the stores") as ticker:
            ticker.label = day_arrival.check(self.runs, self.plan)

    def _send(self, name: str, source: Source, pace: float = math.inf) -> None:
        with _timed(name) as ticker:
            sent = send(requests(self.plan), source, self.plan.expected, ticker, pace)
            ticker.label = f"{name} of {sent:,} requests"

    def _record(self) -> None:
        every = day_rules.rules(self.settings.repo)
        for turn in day_rules.levels(every):
            with _timed(f"recording {len(turn)} of {len(every)} rules"):
                day_rules.record(turn, self.plan, self._promtool, self._data)
                day_rules.settle(self._data, quiet=0.0)
        with _timed("Prometheus merges its blocks"):
            day_rules.settle(self._data)

    def sizes(self) -> Iterator[str]:
        """MiB on disk by part."""
        for name in ("prometheus", *self.runs.stores):
            yield f"{name} {day_folder.mebibytes(self.settings.state / name):,.0f} MiB"
