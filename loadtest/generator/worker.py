"""What each process of the generator does: sends its part of every stage when it is due."""

import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import gevent
import gevent.ssl
from gevent.pool import Group
from geventhttpclient.client import HTTPClient

from loadtest.generator import arrivals, exchange, repeated
from loadtest.generator.exchange import Seen
from loadtest.generator.people import Ask, Visit, visit
from loadtest.generator.settings import Settings
from loadtest.generator.told import Told
from loadtest.rows import Row


@dataclass(frozen=True)
class Clock:
    """Unix nanoseconds of CLOCK_MONOTONIC's: one for all processes, and nobody sets it."""

    ahead_ns: int

    @classmethod
    def now(cls) -> "Clock":
        """The one that the wall clock shows now."""
        return cls(time.time_ns() - time.monotonic_ns())

    def unix(self, monotonic_ns: int) -> int:
        """Unix nanoseconds."""
        return monotonic_ns + self.ahead_ns


@dataclass
class Begun:
    """What became of this process's part of a stage."""

    intended: int = 0
    dropped: int = 0


class Worker:
    """Sends its part of each stage; `told` is given each end.

    `open` is how many of a stage's visits have begun and are not over. Raises ValueError for an
    index that is none of the settings' processes: it would send what another one sends.
    """

    def __init__(self, settings: Settings, index: int, told: Told) -> None:
        if not 0 <= index < settings.processes:
            raise ValueError(f"process {index} of {settings.processes}")
        self._settings = settings
        self._index = index
        self._told = told
        self._visits = Group()
        self.open: Counter[int] = Counter()

    def stop(self) -> None:
        """Hang up, and begin nothing more."""
        self._visits.kill()

    def run(self, stage: dict[str, Any]) -> Begun:
        """Send a stage as the conductor announced it; returns when the last of it was begun."""
        settings, done = self._settings, Begun()
        clock, begun_ns = Clock(stage["ahead_ns"]), stage["begun_ns"]
        every = arrivals.of_stage(settings, stage)
        for number, due in arrivals.mine(every, self._index, settings.processes):
            due_ns = begun_ns + round(due * 1e9)
            # Made before it is due: a long prompt takes milliseconds.
            who = self._who(number, stage)
            gevent.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
            done.intended += 1
            if len(self._visits) >= settings.most_in_flight:
                done.dropped += 1
                self._told.dropped()
                continue
            self.open[stage["number"]] += 1
            self._visits.spawn(self._visit, who, due_ns, stage, clock)
        gevent.sleep(max(0.0, begun_ns / 1e9 + stage["seconds"] - time.monotonic()))
        return done

    def _who(self, number: int, stage: dict[str, Any]) -> Visit:
        settings = self._settings
        if settings.plan is not None:
            return repeated.visit(settings.plan, number, settings.keys)
        return visit(number, stage["number"], settings.seed, stage["model"], settings.keys)

    def _visit(self, who: Visit, due_ns: int, stage: dict[str, Any], clock: Clock) -> None:
        client = _client(self._settings)
        try:
            for turn, ask in enumerate(who.asks):
                if turn:
                    due_ns = time.monotonic_ns() + round(ask.pause * 1e9)
                    gevent.sleep(ask.pause)
                row = self._ask(client, who, turn, due_ns, stage, clock)
                if row.outcome != "ok":
                    break
        finally:
            self.open[stage["number"]] -= 1
            client.close()

    def _ask(
        self,
        client: HTTPClient,
        who: Visit,
        turn: int,
        due_ns: int,
        stage: dict[str, Any],
        clock: Clock,
    ) -> Row:
        ask = who.asks[turn]
        now = clock.unix(time.monotonic_ns())
        trace_id, span_id, span = self._told.begin(ask, who.model or stage["model"], now)
        headers = {
            "content-type": "application/json",
            "traceparent": f"00-{trace_id}-{span_id}-01",
        }
        if who.key:
            headers["authorization"] = f"Bearer {who.key}"
        seen = exchange.send(client, ask, headers, self._settings.patience)
        row = _row(who, turn, due_ns, stage, clock, seen, self._index, (trace_id, span_id))
        self._told.ended(row, span, seen)
        return row


def _client(settings: Settings) -> HTTPClient:
    # One for each visit: a kept connection that the server closes meanwhile is nobody's failure.
    # Our own time-out comes first, and says whose patience it was.
    seconds = settings.patience + 5
    patience = {"network_timeout": seconds, "connection_timeout": seconds}
    return HTTPClient.from_url(settings.url, ssl_context_factory=_tls, **patience)


@cache
def _tls() -> gevent.ssl.SSLContext:
    # Reading the certificates takes tens of milliseconds.
    return gevent.ssl.create_default_context()


def _is_provoked(ask: Ask, seen: Seen) -> bool:
    if seen.outcome == "aborted":
        return True
    # An error inside a stream comes with the status that was asked for.
    return seen.status in ask.expected and seen.outcome == exchange.by_status(seen.status)


def _row(
    who: Visit,
    turn: int,
    due_ns: int,
    stage: dict[str, Any],
    clock: Clock,
    seen: Seen,
    worker: int,
    ids: tuple[str, str],
) -> Row:
    ask, several = who.asks[turn], len(who.asks) > 1

    def unix(moment: int | None) -> int | None:
        return None if moment is None else clock.unix(moment)

    return Row(
        kind=who.kind,
        stage=stage["number"],
        benchmark_phase=stage["phase"],
        worker_id=worker,
        tenant=who.tenant,
        trace_id=ids[0],
        span_id=ids[1],
        intended_start_ns=clock.unix(due_ns),
        request_start_ns=clock.unix(seen.started_ns),
        request_end_ns=clock.unix(seen.ended_ns),
        outcome=seen.outcome,
        ended_as=seen.ended_as,
        provoked=_is_provoked(ask, seen),
        status=seen.status,
        request_ack_ns=unix(seen.acked_ns),
        first_token_ns=unix(seen.first_token_ns),
        gaps_seconds=tuple(seen.gaps),
        input_tokens=seen.usage.get("prompt_tokens"),
        output_tokens=seen.usage.get("completion_tokens"),
        stream=ask.stream,
        conversation_id=who.name if several else None,
        turn_index=turn if several else None,
    )
