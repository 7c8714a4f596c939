"""The observer: begins a live request, ends it as one record for RED, cost, trace and log."""

import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from server.ledger.calendar import Periods
from server.ledger.device_ledger import Ledger
from server.pricing.request_cost import CostTracker
from server.record.request import Operation, RequestRecord
from server.requests.body_peek import NO_OBJECT, Peek
from server.requests.consumers import Consumers
from server.requests.endings import Ending, Endings
from server.requests.in_flight_journal import Journal
from server.requests.live_request import LiveRequest
from server.requests.models import Models
from server.requests.saturation import Waiting
from server.signals import hook_errors, instruments, logs, red
from server.signals.hook_errors import guarded
from server.signals.labels import OTHER, Bounded
from server.signals.tracing import Tracing

RETRY_HEADER = "x-stainless-retry-count"
"""How OpenAI's client libraries say which try a request is; 0 is the first."""


class Observer:
    """Joins the parts: one object per process.

    `together_seconds` is how long what has ended waits for others; 0 records each at once.
    """

    def __init__(
        self,
        tenants: Sequence[str],
        operations: Collection[Operation],
        models: Models,
        costs: CostTracker,
        tracing: Tracing,
        journal: Journal,
        periods: Periods,
        ledger: Ledger | None = None,
        together_seconds: float = 0.0,
    ) -> None:
        self._operations = operations
        self._tenants = Bounded(tenants)
        self._models = models
        self._costs = costs
        self._tracing = tracing
        self._journal = journal
        self._ledger = ledger
        self._periods = periods
        self._waiting = Waiting()
        self._consumers = Consumers(tracing, costs)
        self._endings = Endings(self._consumers.record, together_seconds)

    def create_label_sets(self) -> None:
        """Create every label set that can occur."""
        hook_errors.create_label_sets()
        self._create_for_models(*self.known)
        self._waiting.create_label_sets((OTHER,))

    def _create_for_models(self, models: Sequence[str], tenants: Sequence[str]) -> None:
        red.create_label_sets(models, tenants, self._operations)
        self._create_costs(models, tenants)
        self._waiting.create_label_sets(models)

    @property
    def known(self) -> tuple[Sequence[str], Sequence[str]]:
        """The models and tenants that can be served, as labels."""
        return self._models.used, self._tenants.used

    @property
    def labels(self) -> tuple[Sequence[str], Sequence[str]]:
        """The models and tenants that a request can have as labels, refused or served."""
        models, tenants = (tuple(dict.fromkeys((*used, OTHER))) for used in self.known)
        return models, tenants

    def create_cost_label_sets(self) -> None:
        """Create those of what has a price now; again when the price file changed."""
        self._create_costs(*self.known)

    def _create_costs(self, models: Sequence[str], tenants: Sequence[str]) -> None:
        self._costs.create_label_sets(models, tenants)
        if self._ledger is not None and self._ledger.rate is not None:
            self._costs.create_gpu_label_sets(models)
        if self._ledger is not None:
            for model in models:
                instruments.GPU_COST_MISSING.labels(model)

    def begin(
        self,
        method: str,
        route: str,
        operation: Operation,
        headers: Mapping[str, str],
        tenant: str | None,
    ) -> LiveRequest:
        """Begin a request: its span and ids; `tenant` is None where the caller is not known."""
        started_ns, started = time.time_ns(), time.monotonic()
        span, trace_id, span_id = None, "", ""
        with guarded("begin"):
            name = f"{method if route != 'other' else 'HTTP'} {route}"
            # Only a trusted caller may say which trace this is: its tenant is known.
            trusted = headers if tenant is not None else {}
            span = self._tracing.start(name, trusted, started_ns)
            trace_id, span_id = self._tracing.ids(span)
        if not trace_id:
            trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
        live = LiveRequest(
            trace_id,
            span_id,
            method,
            route,
            operation,
            span,
            started_ns=started_ns,
            started=started,
        )
        live.ran = partial(self._ran, live)
        live.tenant = self._tenants.label(tenant)
        live.retry = headers.get(RETRY_HEADER, "0") != "0"
        return live

    def accept(self, live: LiveRequest, peek: Peek | None) -> None:
        """Note what the body asks for, None is no JSON; it counts as in flight from here."""
        if live.method == "POST":
            self._note(live, peek)
            instruments.IN_FLIGHT.labels(live.model).inc()
            live.accepted = True
            self._waiting.add(live)
            # Nothing that only notes may come before what decides who pays.
            self._open_account(live)
            with guarded("journal"):
                self._journal.begin(live)

    def _open_account(self, live: LiveRequest) -> None:
        with guarded("ledger"):
            if self._ledger is not None:
                live.account = self._ledger.open(live.request_id, live.changed)

    def freeze(self, live: LiveRequest) -> RequestRecord:
        """The record as it stands, with what the ledger knows of its device time."""
        return live.to_record(self._ledger.use(live.account) if self._ledger else None)

    def cost(self, record: RequestRecord) -> Decimal | None:
        """Microdollars by the price list, None where they are not known."""
        return self._costs.cost(record)

    def _note(self, live: LiveRequest, peek: Peek | None) -> None:
        if peek is None:
            live.hint = "invalid_json"
        else:
            live.stream = peek.stream
            live.model = OTHER if peek is NO_OBJECT else self._models.asked(peek.model)

    def _ran(self, live: LiveRequest, adapter: str | None) -> None:
        before = live.model
        is_new = self._models.admit(adapter)
        live.engine_model, live.model = adapter or self._models.base, self._models.ran(adapter)
        if is_new:
            self._create_for_models((live.model,), ())
        if live.accepted and live.model != before:
            instruments.IN_FLIGHT.labels(before).dec()
            instruments.IN_FLIGHT.labels(live.model).inc()

    def finish(self, live: LiveRequest, probe: bool) -> None:
        """Freeze the record and charge it; metrics, spans and logs follow (requests/endings.py).

        None of them can harm another, and none the request.
        """
        if live.accepted:
            with guarded("in_flight"):
                instruments.IN_FLIGHT.labels(live.model).dec()
                self._waiting.remove(live)
        record: RequestRecord | None = None
        with guarded("record"):
            record = self.freeze(live)
        # Now as well: one that is over must not be told of as killed, whatever happens meanwhile.
        with guarded("journal"):
            self._journal.end(live)
        if record is not None:
            cost = self._charge(live, record)
            self._endings.add(Ending(live, record, cost, probe, time.time()))

    def _charge(self, live: LiveRequest, record: RequestRecord) -> Decimal | None:
        # Of this moment: the price and the day are, and what the engine still settles is late.
        self._book(live, record)
        cost = None
        with guarded("cost"):
            cost = self._costs.cost(record)
        with guarded("spend"):
            if cost is not None:
                self._periods.add_spend(record.tenant, record.model, cost)
        return cost

    @property
    def last_record(self) -> float:
        """When a request was recorded last (monotonic seconds), 0 before the first."""
        return self._consumers.last_record

    def flush(self) -> None:
        """Have every request recorded that has ended; may be called from any thread."""
        self._endings.flush()

    def _book(self, live: LiveRequest, record: RequestRecord) -> None:
        with guarded("ledger"):
            if self._ledger is not None and live.accepted:
                self._ledger.book(live.request_id, record, time.monotonic_ns())
                if any(call.states for call in live.calls) and record.gpu is None:
                    instruments.GPU_COST_MISSING.labels(record.model).inc()

    def leftovers(self) -> list[RequestRecord]:
        """What was in flight when the process before this one was killed; it is read from disk."""
        return self._journal.leftovers()

    def recover(self, leftovers: Iterable[RequestRecord]) -> None:
        """Record what was in flight when the process before this one was killed."""
        for record in leftovers:
            with guarded("recover"):
                self._tracing.replay(record, None)
                red.observe(self._relabelled(record))
                logs.request_finished(record, None)
            with guarded("journal"):
                self._journal.forget(record)

    def _relabelled(self, record: RequestRecord) -> RequestRecord:
        # The process that was killed may have served other models and tenants.
        model, tenant = self._models.asked(record.model), self._tenants.label(record.tenant)
        return replace(record, model=model, tenant=tenant)
