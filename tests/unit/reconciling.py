"""A run of requests as its clients, the log store, the trace store and /metrics tell of it.

Records, attributes and counters are made by the server's own code.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.exposition import generate_latest

from loadtest.reconcile.reconciliation import Reconciliation, Witnesses, compare
from loadtest.rows import Row, Run
from server.pricing.price_list import PriceList
from server.pricing.request_cost import CostTracker
from server.record.request import RequestRecord
from server.signals import logs, red, tracing
from stack.evidence.scrape import Sample, parse
from stack.stores.protocol import LogRecord, NotFound, Span, StoreError, Window
from tests.unit import helpers
from tests.unit.helpers import STARTED_NS as BEGAN

SECOND = 10**9
START = "process_start_time_seconds"
PRICES = PriceList((helpers.entry("tiny-llama", "0.1", "0.05", "0.4"),))


class Logs:
    """A log store with these records; `silent` is why it does not answer."""

    name = "victorialogs"

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.silent = ""
        self.late: Callable[[], None] = lambda: None

    def events(self, names: tuple[str, ...], window: Window) -> Iterator[LogRecord]:
        assert names == ("request_finished",)
        if self.silent:
            raise StoreError(self.silent)
        first, last = window.nanoseconds
        yield from [one for one in self.records if first <= one.time_ns < last]
        self.late()


class Traces:
    """A trace store with these spans."""

    name = "jaeger"

    def __init__(self) -> None:
        self.spans: dict[str, list[Span]] = {}
        self.silent = ""

    def trace(self, trace_id: str) -> list[Span]:
        if self.silent:
            raise StoreError(self.silent)
        if trace_id not in self.spans:
            raise NotFound(f"Jaeger: no {trace_id}")
        return self.spans[trace_id]


class Scrapes:
    """A Prometheus that has seen what `Story.scrape` showed it."""

    def __init__(self) -> None:
        self.pages: list[tuple[float, dict[str, float]]] = []
        self.silent = False

    def starts(self, begin: float, end: float) -> list[tuple[float, float]] | None:
        pages = [(at, page[START]) for at, page in self.pages if begin <= at <= end]
        return None if self.silent else pages

    def counters(self, moment: float) -> list[Sample] | None:
        page = next(page for at, page in self.pages if at == moment)
        return [one for name, value in page.items() for one in parse(f"{name} {value!r}")]


def _registry() -> dict[str, float]:
    text = generate_latest(REGISTRY).decode().splitlines()
    lines = [line.rpartition(" ") for line in text if line.startswith("llm_")]
    return {name: float(value) for name, _, value in lines if "_total" in name}


@dataclass
class Story:
    """Tells a run step by step; `now` is Unix nanoseconds."""

    rows: list[Row] = field(default_factory=list)
    logs: Logs = field(default_factory=Logs)
    traces: Traces = field(default_factory=Traces)
    scrapes: Scrapes = field(default_factory=Scrapes)
    prices: PriceList | str = PRICES
    started: float = BEGAN / SECOND - 100
    now: int = BEGAN + 10 * SECOND
    begun: int = 0

    def __post_init__(self) -> None:
        self._base = _registry()
        self._costs = CostTracker(helpers.in_force(*PRICES.models))
        self.before: dict[str, float] | None = self.exposed()

    def exposed(self) -> dict[str, float]:
        """/metrics of the process that runs now."""
        grown = {name: v - self._base.get(name, 0.0) for name, v in _registry().items()}
        return {START: self.started, **{name: v for name, v in grown.items() if v}}

    def ids(self) -> tuple[str, str, str]:
        """trace_id, the client's span_id and the server's."""
        self.begun += 1
        return f"{self.begun:032x}", f"{self.begun:016x}", f"{self.begun + 2**60:016x}"

    def send(self, client: dict[str, Any] | None = None, **server: Any) -> str:
        """A request that client and server saw; returns its trace id."""
        trace_id, parent, span_id = self.ids()
        record = helpers.record(**{"trace_id": trace_id, "span_id": span_id, **server})
        record = dataclasses.replace(record, started_ns=self.now)
        self.rows.append(self.row(trace_id, parent, record, client or {}))
        self.serve(record, parent)
        return trace_id

    def serve(self, record: RequestRecord, parent: str) -> None:
        """What the server does with a record: counters, a log record, a span."""
        cost = self._costs.cost(record)
        red.observe(record)
        self._costs.observe(record, cost)
        self.now += round((record.duration_seconds or 0.0) * SECOND)
        fields = logs._doubles(logs.fields(record, cost))
        known = {name: value for name, value in fields.items() if value is not None}
        told = LogRecord(self.now, "request_finished", {"event": "request_finished", **known})
        self.logs.records.append(told)
        span = Span(
            record.trace_id, record.span_id, parent, "POST", "server", "llm-server",
            record.started_ns, self.now, "unset",
            dict(tracing._attributes(record, cost)),  # type: ignore[arg-type]
        )  # fmt: skip
        self.traces.spans[record.trace_id] = [span]
        self.now += SECOND

    def row(self, trace_id: str, parent: str, of: RequestRecord, client: dict[str, Any]) -> Row:
        """What the client of such a request notes down, 5 ms from everything."""
        sent, lasted = of.started_ns - SECOND // 200, round((of.duration_seconds or 1.0) * SECOND)
        first = of.time_to_first_token_seconds
        plain = Row(
            kind="chat", stage=0, benchmark_phase="profiling", worker_id=0, tenant="default",
            trace_id=trace_id, span_id=parent,
            # The generator was late: no time that is held against the server's may count it.
            intended_start_ns=sent - 3 * SECOND, request_start_ns=sent,
            request_end_ns=of.started_ns + lasted + SECOND // 200,
            outcome=of.outcome.value, ended_as=str(of.status_code), provoked=False,
            status=of.status_code, request_ack_ns=sent + SECOND // 100,
            first_token_ns=None if first is None else of.started_ns + round(first * SECOND) + 10**7,
            input_tokens=of.usage.input_tokens or None,
            output_tokens=of.usage.output_tokens or None,
            stream=of.stream,
        )  # fmt: skip
        return dataclasses.replace(plain, **client)

    def lose(self, **client: Any) -> str:
        """A request that only its client knows of."""
        trace_id, parent, _ = self.ids()
        record = helpers.record(trace_id=trace_id, started_ns=self.now)
        none = {"input_tokens": None, "output_tokens": None, "first_token_ns": None}
        self.rows.append(self.row(trace_id, parent, record, {**none, **client}))
        self.now += SECOND
        return trace_id

    def scrape(self) -> None:
        """Prometheus looks."""
        self.scrapes.pages.append((self.now / SECOND, self.exposed()))

    def restart(self) -> None:
        """The process is killed, another one starts 20 s later."""
        self.now += 20 * SECOND
        self._base, self.started = _registry(), self.now / SECOND
        self.now += 10 * SECOND

    def kill(self, **client: Any) -> str:
        """A request that a restart ended: the new process found it."""
        trace_id, parent, span_id = self.ids()
        lost = helpers.killed_record(trace_id=trace_id, span_id=span_id, started_ns=self.now)
        cut = {"outcome": "cut_off", "status": 200, "first_token_ns": self.now + SECOND}
        self.rows.append(self.row(trace_id, parent, lost, {**cut, **client}))
        self.restart()
        self.serve(lost, "")
        return trace_id

    def change(self, trace_id: str, **fields: Any) -> None:
        """Change the log record of a request; None takes the field out."""
        for at, record in enumerate(self.logs.records):
            if record.fields["trace_id"] == trace_id:
                changed = {**record.fields, **fields}
                kept = {name: value for name, value in changed.items() if value is not None}
                self.logs.records[at] = dataclasses.replace(record, fields=kept)

    def run(self, **changes: Any) -> Run:
        """What the run was."""
        plain = Run(
            "run", "", "constant", 1.0, 1, "http://127.0.0.1:8000", "tiny-llama", 1,
            BEGAN, self.now + 60 * SECOND, before=self.before, after=self.exposed(),
        )  # fmt: skip
        return dataclasses.replace(plain, **changes)

    def reconciled(self, patience: float = 0.0, **changes: Any) -> Reconciliation:
        """The run held against its witnesses."""
        asked = Witnesses(self.logs, self.traces, self.scrapes, self.prices)  # type: ignore[arg-type]
        return compare(self.rows, self.run(**changes), asked, patience)
