"""Fills the stores with the day: metrics, rules and alerts, then log records and traces."""

import math
import random
import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from prometheus_client.samples import Sample as Exposed

from server.record.request import RequestRecord
from server.signals import otlp
from stack.parts.lineup import LineUp
from stack.say import Ticker, clock, say, ticking
from stack.settings import Settings
from tests.bench import day_prices, day_rules
from tests.bench.day_others import SERVER, targets
from tests.bench.day_send import COLLECTOR, Source, send
from tests.bench.day_series import Labels
from tests.bench.day_signals import Logs, Traces
from tests.bench.scene import story
from tests.bench.scene.engine import Engine, Served, State
from tests.bench.scene.load import LoadTest
from tests.bench.scene.others import Others
from tests.bench.scene.push import Pusher
from tests.bench.scene.records import records
from tests.bench.scene.rules import Steps, alerts, push_alerts, record
from tests.bench.scene.server import Server
from tests.bench.scene.story import DAY, END, SHOWN, SHOWN_LOAD, Span
from tests.bench.scene.values import Scraped

_EVALUATION_SECONDS, _SPARSE_SECONDS = 15.0, 120.0
_LEAD_SECONDS = 1800.0
"""Before what is shown alerts are evaluated too: one that fires there may have begun before."""


@contextmanager
def timed(label: str) -> Iterator[Ticker]:
    """A step with a ticking line whose label may change; it says its time when it is done."""
    start = time.monotonic()
    with ticking(label) as ticker:
        yield ticker
    say(f"  {ticker.label}: {clock(time.monotonic() - start)}")


@dataclass
class Fill:
    """The day of one seed, for stores that run."""

    settings: Settings
    runs: LineUp
    seed: int
    pusher: Pusher = field(default_factory=Pusher)

    @cached_property
    def engine(self) -> Engine:
        """The engine after the day."""
        engine = Engine(self.seed)
        engine.run(story.asks(self.seed))
        return engine

    @cached_property
    def _records(self) -> list[tuple[Served, RequestRecord]]:
        return [each for each in records(self.engine) if each[0].ended < END]

    def run(self) -> list[str]:
        """Fill the stores; returns the names of the alerts that fired in what is shown."""
        with timed("requests") as ticker:
            ticker.label = f"{len(self._records):,} requests through an engine"
        with timed("metrics") as ticker:
            self._metrics(ticker)
        fired = self._rules()
        self._signals()
        return fired

    def _metrics(self, shown: Ticker) -> None:
        jobs = targets(self.settings.repo, self.runs.stores)
        server, load = Server(self.settings.state, jobs[SERVER]), LoadTest()
        others, dice = Others(jobs), Random(f"{self.seed} scrapes")
        rest, last, before = iter(self._records), DAY, State(DAY)
        states = states_at(self.engine.states, story.moments())
        in_flight = in_flight_of([served for served, _ in self._records if served.ask.load])
        ahead = next(rest, None)
        seen: dict[tuple[str, Labels], str] = {}
        for moment, state in states:
            ended = 0
            while ahead is not None and ahead[0].ended <= moment:
                server.observe(ahead[1])
                ended += 1
                if ahead[0].ask.load:
                    load.ended(ahead[1])
                ahead = next(rest, None)
            server.look(state, moment)
            self._push(server.exposed(), moment, seen)
            self._push(load.exposed(moment, in_flight(moment)), moment, seen)
            now = Scraped(moment, moment - last, state, before, ended, dice)
            for name, labels, value in others.samples(now):
                self.pusher.add(name, labels, value, moment)
            self.pusher.send(all_of_it=False)
            last, before = moment, state
            shown.label = f"metrics, {(moment - DAY) / (END - DAY):.0%} of the day"
        self.pusher.send()
        pushed = self.pusher
        shown.label = f"metrics, {pushed.samples:,} samples, {pushed.exemplars:,} exemplars"

    def _push(
        self,
        exposed: Iterable[tuple[Exposed, Labels]],
        moment: float,
        seen: dict[tuple[str, Labels], str],
    ) -> None:
        for sample, labels in exposed:
            self.pusher.add(sample.name, labels, float(sample.value), moment)
            told = sample.exemplar
            # A registry keeps the last one of a bucket: it is news once.
            if told is not None and seen.get((sample.name, labels)) != told.labels["trace_id"]:
                seen[sample.name, labels] = told.labels["trace_id"]
                self.pusher.exemplar(sample.name, labels, told.labels, told.value, moment)

    def _rules(self) -> list[str]:
        shown = [Steps(each, _EVALUATION_SECONDS) for each in (SHOWN_LOAD, early(SHOWN))]
        day = [Steps(Span(DAY, SHOWN_LOAD.start), _SPARSE_SECONDS),
               Steps(Span(SHOWN_LOAD.end, early(SHOWN).start), _SPARSE_SECONDS)]  # fmt: skip
        every = day_rules.rules(self.settings.repo)
        for turn in day_rules.levels(every):
            with timed(f"recording {len(turn)} of {len(every)} rules"):
                record(turn, (*day, *shown), self.pusher)
        with timed("alerts") as ticker:
            found = alerts(self.settings.repo)
            fired = push_alerts(found, shown[1], self.pusher)
            ticker.label = f"{len(found)} alerts, of which fired: {', '.join(sorted(fired))}"
        return fired

    def _signals(self) -> None:
        """Log records and spans of what is shown; nobody asks for those of the rest."""
        random.seed(self.seed)
        costs = day_prices.tracker(self.settings.state)
        kept = [record for served, record in self._records if is_shown(served)]
        self._send("log records", Logs(costs, otlp.log_exporter(COLLECTOR)), kept)
        self._send("traces", Traces(costs, otlp.span_exporter(COLLECTOR)), kept)

    def _send(self, name: str, source: Source, kept: list[RequestRecord]) -> None:
        with timed(name) as ticker:
            sent = send(kept, source, len(kept), ticker, math.inf)
            ticker.label = f"{name} of {sent:,} requests"


def in_flight_of(every: Sequence[Served]) -> Callable[[float], int]:
    """How many of these requests were under way at a moment."""
    begun, ended = sorted(one.ask.at for one in every), sorted(one.ended for one in every)
    return lambda moment: bisect(begun, moment) - bisect(ended, moment)


def early(span: Span) -> Span:
    """The span and what alerts look back on before it."""
    return Span(span.start - _LEAD_SECONDS, span.end)


def is_shown(served: Served) -> bool:
    """Tell whether a picture can show the request."""
    return any(served.ended in Span(each.start - 60, each.end) for each in (SHOWN, SHOWN_LOAD))


def states_at(states: list[State], moments: Iterable[float]) -> Iterator[tuple[float, State]]:
    """The engine's state at each moment, what counts up carried on to it."""
    place = 0
    for moment in moments:
        while place + 1 < len(states) and states[place + 1].at <= moment:
            place += 1
        yield moment, states[place].later(moment)
