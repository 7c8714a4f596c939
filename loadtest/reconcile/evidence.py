"""Reads what the server left of a run's requests, and waits for what is still on its way."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from loadtest.reconcile.joined import Joined
from loadtest.rows import Row, Run
from stack.say import say
from stack.stores.protocol import (
    LogRecord,
    LogStore,
    NotFound,
    Span,
    StoreError,
    TraceStore,
    Window,
)

PATIENCE_SECONDS = 60.0
"""How long telemetry may be on its way after the run."""
EDGE_SECONDS = 5.0
"""What others' requests left so close to an end of the run may be in it or not."""
_LATE_SECONDS = 900.0
"""A killed request is recorded when the server has started again, which takes minutes."""
_READERS, _PROGRESS_SECONDS = 4, 3.0
_SERVICE, _EVENT = "llm-server", "request_finished"


@dataclass(frozen=True)
class Evidence:
    """Records by time and SERVER spans by trace id; what could not be read, in words.

    `records` is None where the log store did not answer. `untraced` are trace ids of which the
    trace store did not say whether it has them.
    """

    records: tuple[LogRecord, ...] | None
    spans: Mapping[str, tuple[Span, ...]]
    untraced: frozenset[str] = frozenset()
    silent: tuple[str, ...] = ()

    def join(self, rows: Sequence[Row]) -> list[Joined]:
        """Each row with what the server left of it."""
        found: dict[str, list[LogRecord]] = {}
        for record in self.records or ():
            found.setdefault(str(record.fields.get("trace_id", "")), []).append(record)
        return [
            Joined(
                row,
                tuple(found.get(row.trace_id, ())),
                self.spans.get(row.trace_id, ()),
                row.trace_id not in self.untraced,
            )
            for row in rows
        ]


def gather(
    logs: LogStore,
    traces: TraceStore,
    rows: Sequence[Row],
    run: Run,
    patience: float = PATIENCE_SECONDS,
) -> Evidence:
    """Everything that both stores hold of the run, once it is whole or `patience` seconds passed.

    A store that does not answer is no error here: its name and reason stand in `silent`. Without
    records no trace is read.
    """
    until = time.monotonic() + patience
    records, why = records_of(logs, run, rows, until)
    if records is None:
        return Evidence(None, {}, silent=(why,))
    ids = list(dict.fromkeys(row.trace_id for row in rows))
    recorded = {str(record.fields.get("trace_id")) for record in records}
    reading = _Traces(traces)
    reading.read(ids, recorded, until)
    silent = (reading.why,) if reading.why else ()
    return Evidence(tuple(records), reading.found, frozenset(reading.unread), silent)


def _is_due(row: Row) -> bool:
    """False for what need not have reached the server, or is in it under an id of its own."""
    return row.status != 401 and (row.outcome != "unreachable" or row.request_ack_ns is not None)


def records_of(
    store: LogStore, run: Run, rows: Sequence[Row], until: float
) -> tuple[list[LogRecord] | None, str]:
    """Every record of the run's time, once those of its rows are there or it is `until`.

    That is a moment of CLOCK_MONOTONIC in seconds. None and why where the store does not answer.
    """
    due = {row.trace_id for row in rows if _is_due(row)}
    while True:
        end = min(time.time() + 60, run.ended_ns / 1e9 + _LATE_SECONDS)
        window = Window(run.started_ns / 1e9 - EDGE_SECONDS, end)
        found, why = _look(store, window)
        here = {str(record.fields.get("trace_id")) for record in found or ()}
        if (found is not None and due <= here) or time.monotonic() >= until:
            return found, why
        say(f"  … {why or f'{len(due & here):,} of {len(due):,} records are in {store.name}'}")
        time.sleep(min(_PROGRESS_SECONDS, max(0.0, until - time.monotonic())))


def _look(store: LogStore, window: Window) -> tuple[list[LogRecord] | None, str]:
    try:
        return list(store.events((_EVENT,), window)), ""
    except StoreError as error:
        return None, str(error)


@dataclass
class _Traces:
    """Asks for many traces, a few at a time; one refusal ends a round, or each would take its
    time-out.
    """

    store: TraceStore
    found: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    why: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)

    def read(self, wanted: list[str], due: set[str], until: float) -> None:
        """Read all of `wanted`, and those that are `due` again until they are there."""
        while wanted:
            self._stop.clear()
            self.why, self.unread = "", set(wanted)
            self._round(wanted)
            wanted = [one for one in wanted if one in self.unread or self._is_awaited(one, due)]
            if time.monotonic() >= until:
                return
            if wanted:
                say(f"  … {self.why or f'{len(wanted):,} traces are awaited'}")
                time.sleep(min(_PROGRESS_SECONDS, max(0.0, until - time.monotonic())))

    def _is_awaited(self, trace_id: str, due: set[str]) -> bool:
        return trace_id in due and not self.found.get(trace_id)

    def _round(self, wanted: list[str]) -> None:
        with ThreadPoolExecutor(_READERS) as pool:
            left: set[Future[None]] = {pool.submit(self._one, each) for each in wanted}
            while left:
                left = wait(left, _PROGRESS_SECONDS).not_done
                if left:
                    say(f"  … {len(wanted) - len(left):,} of {len(wanted):,} traces read")

    def _one(self, trace_id: str) -> None:
        if self._stop.is_set():
            return
        try:
            spans = self.store.trace(trace_id)
        except NotFound:
            spans = []
        except StoreError as error:
            self.why = str(error)
            self._stop.set()
            return
        # A trace that was delivered twice has each span twice.
        served = {s.span_id: s for s in spans if s.kind == "server" and s.service == _SERVICE}
        self.found[trace_id] = tuple(served.values())
        self.unread.discard(trace_id)
