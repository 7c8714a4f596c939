"""A request while it lives: middleware and engine fill it, to_record() freezes it once."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, cast

from server.ledger.accounts import Account
from server.record import current
from server.record.outcome import Signs, decide
from server.record.request import GpuUse, Operation, Outcome, Parts, Phase, RequestRecord, Usage
from server.requests import response_ids, sampling, told_usage
from server.requests.engine_call import EngineCall, EngineTimes
from server.signals import failures
from server.signals.failures import Failure

FINAL_GRACE_SECONDS = 2.0
"""How long the record waits for engine calls that are still unwinding after the response ended."""


@dataclass(slots=True)
class LiveRequest:
    """Mutable state of one HTTP request; times are monotonic seconds, started_ns is wall clock.

    `model` and `stream` are what the body seems to ask for until the engine and the response say
    what they are. `ran` is called with the LoRA adapter's name when the engine took a call. `beams`
    are the ends of the answers of a beam search, None where none is searched. `state` is what
    Starlette keeps for the request, `reasoning` what vLLM told of it elsewhere.
    """

    trace_id: str
    span_id: str
    method: str
    route: str
    operation: Operation
    span: Any = None
    tenant: str = "other"
    model: str = "other"
    engine_model: str | None = None
    ran: Callable[[str | None], None] = lambda _: None
    stream: bool = False
    status_code: int | None = None
    stream_error: int | None = None
    accepted: bool = False
    refusal: str | None = None
    hint: str | None = None
    raised: bool = False
    failure: Failure | None = None
    disconnected: bool = False
    timed_out: bool = False
    response_complete: bool = False
    started_ns: int = field(default_factory=time.time_ns)
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    retry: bool = False
    account: Account = field(default_factory=Account)
    calls: list[EngineCall] = field(default_factory=list)
    beams: list[str] | None = None
    scheme: str | None = None
    listener: tuple[str, int | None] | None = None
    caller_request_id: str | None = None
    state: dict[str, Any] = field(default_factory=dict)
    reasoning: int | None = None
    _open_calls: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def request_id(self) -> str:
        """The id that vLLM builds its own from: unique, and the trace_id can be read in it."""
        return f"{self.trace_id}-{self.span_id}"

    @property
    def error(self) -> BaseException | None:
        """What the first engine call raised that failed."""
        return next((call.error for call in self.calls if call.error is not None), None)

    def begin_call(self, call: EngineCall) -> None:
        """Note that the engine was called."""
        self.calls.append(call)
        self._open_calls += 1

    def end_call(self) -> None:
        """Note that an engine call has unwound."""
        self._open_calls -= 1
        self.changed()

    def fail(self, error: BaseException) -> None:
        """Note what was raised inside; the first error is the cause of those that follow."""
        if self.failure is None:
            self.failure = failures.read(error)

    def changed(self) -> None:
        """Note that a call has unwound or an engine request was settled."""
        if self._is_quiet():
            self._quiet.set()

    def _is_quiet(self) -> bool:
        dead = any(type(call.error).__name__ == "EngineDeadError" for call in self.calls)
        return self._open_calls == 0 and (dead or self.account.complete)

    async def settle(self) -> None:
        """Wait until every engine call has unwound and settled, at most FINAL_GRACE_SECONDS."""
        if self._is_quiet():
            return
        self._quiet.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), FINAL_GRACE_SECONDS)

    def to_record(self, gpu: GpuUse | None = None) -> RequestRecord:
        """Freeze what is known, with what the ledger knows; complete after end and settle."""
        end = self.ended if self.ended is not None else time.monotonic()
        outcome, reason = decide(self._signs())
        times = self._times()
        return RequestRecord(
            trace_id=self.trace_id,
            span_id=self.span_id,
            tenant=self.tenant,
            model=self.model,
            operation=self.operation,
            outcome=outcome,
            reason=reason,
            method=self.method,
            route=self.route,
            status_code=self.status_code,
            stream=self.stream,
            started_ns=self.started_ns,
            duration_seconds=end - self.started,
            time_to_first_token_seconds=self._to_first_token(times),
            time_per_output_token_seconds=_per_token(times),
            phases=self._phases(times, end),
            usage=self._usage(),
            finish_reasons=self._finish_reasons(),
            response_id=self._response_id(outcome),
            error_type=self._error_type(outcome, reason),
            gpu=gpu,
            retry=self.retry,
            engine_model=self.engine_model,
            scheme=self.scheme,
            listener=self.listener,
            parameters=self._parameters(),
            caller_request_id=self.caller_request_id,
            parts=self._parts(),
            engine_requests=sum(len(call.states) for call in self.calls),
        )

    def _signs(self) -> Signs:
        return Signs(
            timed_out=self.timed_out,
            disconnected=self.disconnected,
            refusal=self.refusal,
            hint=self.hint,
            error=self.error,
            finish_reasons=self._finish_reasons(),
            status_code=self.status_code,
            response_complete=self.response_complete,
            raised=self.raised,
            stream_error=self.stream_error,
        )

    def _finish_reasons(self) -> tuple[str, ...]:
        if self.beams is not None:
            # Its calls make one token each, so each ends by `length`, whatever the search decides.
            return tuple(self.beams)
        return tuple(reason for call in self.calls for reason in call.finish_reasons)

    def _parameters(self) -> tuple[tuple[str, int | float], ...]:
        # The calls of a beam search are asked for one token each, which is not what was asked for.
        is_asked = self.beams is None and self.calls
        return sampling.numbers(self.calls[0].params) if is_asked else ()

    def _times(self) -> list[EngineTimes]:
        return [s.stats for call in self.calls for s in call.states if s.stats is not None]

    def _usage(self) -> Usage:
        usages = [call.usage(self.account.settled) for call in self.calls]
        return Usage(
            sum(usage.input_tokens for usage in usages),
            sum(usage.cached_input_tokens for usage in usages),
            sum(usage.output_tokens for usage in usages),
        )

    def _parts(self) -> Parts:
        told = told_usage.reasoning_in(self.state) if self.reasoning is None else self.reasoning
        return told_usage.parts(self.calls, told)

    def _to_first_token(self, times: Sequence[EngineTimes]) -> float | None:
        first = _first_token(times)
        return None if first is None else max(0.0, first - self.started)

    def _phases(self, times: Sequence[EngineTimes], end: float) -> tuple[Phase, ...]:
        if not self.calls:
            return ()
        called = min(call.called_at for call in self.calls)
        marks = [("tokenize", called)]
        first = _first_token(times)
        if first is None:
            return self._tile([*marks, *self._cut_off(end)], complete=False)
        scheduled = min((t.scheduled_ts for t in times if t.scheduled_ts), default=first)
        last = max(t.last_token_ts for t in times)
        marks += [("queue", scheduled), ("prefill", first), ("decode", last), ("deliver", end)]
        return self._tile(marks)

    def _cut_off(self, end: float) -> list[tuple[str, float]]:
        begun = [s.scheduled_ns for s in self.account.settled.values() if s.scheduled_ns]
        if not begun:
            return [("queue", end)]
        return [("queue", min(begun) / 1e9), ("prefill", end)]

    def _tile(self, marks: Sequence[tuple[str, float]], complete: bool = True) -> tuple[Phase, ...]:
        phases: list[Phase] = []
        # An engine that is still ending an abort makes tokens after the response's end.
        begin, end = 0.0, marks[-1][1]
        for name, mark in marks:
            stop = max(begin, min(mark, end) - self.started)
            phases.append(Phase(name, begin, stop))
            begin = stop
        if not complete:
            phases[-1] = replace(phases[-1], complete=False)
        return tuple(phases)

    def _response_id(self, outcome: Outcome) -> str | None:
        if outcome is Outcome.CLIENT_ERROR or not self.calls:
            return None
        return response_ids.of(self.route, self.operation, self.request_id)

    def _error_type(self, outcome: Outcome, reason: str) -> str | None:
        if outcome is Outcome.OK:
            return None
        if outcome is Outcome.SERVER_ERROR and self.failure is not None:
            return self.failure.error_type
        return reason


def _first_token(times: Sequence[EngineTimes]) -> float | None:
    return min((t.first_token_ts for t in times if t.first_token_ts), default=None)


def _per_token(times: Sequence[EngineTimes]) -> float | None:
    gaps = sum(max(0, t.num_generation_tokens - 1) for t in times)
    if not gaps:
        return None
    return sum(t.last_token_ts - t.first_token_ts for t in times if t.first_token_ts) / gaps


CURRENT = cast("ContextVar[LiveRequest | None]", current.CURRENT)
"""The request that the running task serves."""
