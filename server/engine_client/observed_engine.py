"""ObservedLLM: the one place in vLLM that sees every request, its tokens and its end."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, TypeVar

from vllm.outputs import PoolingRequestOutput, RequestOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.output_processor import RequestOutputCollector

from server.ledger.device_ledger import Ledger
from server.readiness.state import Readiness
from server.requests.engine_call import EngineCall
from server.requests.live_request import CURRENT, LiveRequest
from server.requests.told_usage import media_in
from server.signals.hook_errors import failed, guarded

T = TypeVar("T")
_CALL: ContextVar[EngineCall | None] = ContextVar("engine_call", default=None)


class ObservedLLM(AsyncLLM):
    """AsyncLLM whose calls are noted on the request that the running task serves.

    `died` tells at the end whether the engine died by itself: vLLM's process would exit with 0.
    """

    died = False
    _ledger: Ledger | None = None
    _readiness: Readiness | None = None
    _ended = False

    def __init__(self, ledger: Ledger, readiness: Readiness, **of_vllm: Any) -> None:
        """Make an engine whose calls the ledger is told of, and whose end is told to callers."""
        self._ledger = ledger
        self._readiness = readiness
        super().__init__(**of_vllm)

    async def add_request(
        self, request_id: str, *args: Any, **kwargs: Any
    ) -> RequestOutputCollector:
        """As AsyncLLM.add_request; keeps the children's live states, which survive an abort."""
        states: tuple[Any, ...] = ()
        self._begin_ledger()
        try:
            queue = await super().add_request(request_id, *args, **kwargs)
            with guarded("add_request"):
                states = self._states(request_id, queue)
                call = _CALL.get()
                if call is not None:
                    call.states, call.params = states, _params(args, kwargs)
                    call.answers = getattr(call.params, "n", 1)
                    call.media = media_in(_prompt(args, kwargs))
            # By itself: what only labels may not come before what is paid.
            with guarded("add_request"):
                live = CURRENT.get()
                if live is not None:
                    live.ran(_adapter(args, kwargs))
        finally:
            self._end_ledger(states)
        return queue

    def _begin_ledger(self) -> None:
        with guarded("ledger"):
            if self._ledger is not None:
                self._ledger.begin_call(time.monotonic_ns())

    def _end_ledger(self, states: tuple[Any, ...]) -> None:
        with guarded("ledger"):
            if self._ledger is not None:
                live = CURRENT.get()
                ids = [state.request_id for state in states]
                self._ledger.end_call(live.request_id if live else "", ids)

    def _states(self, request_id: str, queue: RequestOutputCollector) -> tuple[Any, ...]:
        processor = self.output_processor
        ids = processor.external_req_ids.get(request_id, ())
        states = (processor.request_states.get(internal_id) for internal_id in ids)
        return tuple(state for state in states if state is not None and state.queue is queue)

    def generate(self, *args: Any, **kwargs: Any) -> AsyncGenerator[RequestOutput, None]:
        """As AsyncLLM.generate; notes the call, its finish reasons and its error."""
        return _watch(super().generate(*args, **kwargs))

    def encode(self, *args: Any, **kwargs: Any) -> AsyncGenerator[PoolingRequestOutput, None]:
        """As AsyncLLM.encode (embeddings and other pooling); notes the call and its error."""
        return _watch(super().encode(*args, **kwargs))

    def request_ids(self) -> Sequence[str]:
        """Ids of the requests in the engine, oldest first."""
        return tuple(self.output_processor.request_states)

    async def answer(self) -> None:
        """Returns when the engine core's loop has come by: between two steps, or while idle."""
        await self.engine_core.is_scheduler_paused_async()

    def shutdown(self, timeout: float | None = None) -> None:
        """As AsyncLLM.shutdown; the first call keeps whether the engine was dead already."""
        with guarded("shutdown"):
            core = getattr(self, "engine_core", None)
            if not self._ended and core is not None:
                # vLLM's own shutdown marks the engine dead too, and may come twice.
                self._ended = True
                self.died = core.resources.engine_dead
                if not self.died and self._readiness is not None:
                    self._readiness.drain()
        super().shutdown(timeout)


async def _watch(outputs: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    live = CURRENT.get()
    call = _begin(live)
    try:
        async with aclosing(outputs):
            async for output in outputs:
                # Once a token: the only answer ends with its last output.
                if call.answers != 1 or getattr(output, "finished", True):
                    _note_output(call, output)
                yield output
    except Exception as error:
        call.error = error
        with guarded("failure"):
            if live is not None:
                live.fail(error)
        raise
    finally:
        with guarded("end_call"):
            if live is not None:
                live.end_call()


def _prompt(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    # Of add_request(request_id, prompt, ...); not kept, it may hold pictures.
    return kwargs.get("prompt", args[0] if args else None)


def _params(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    # Of add_request(request_id, prompt, params, ...); kept, not read, until the request is over.
    return kwargs.get("params", args[1] if len(args) > 1 else None)


def _adapter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    # Of add_request(request_id, prompt, params, arrival_time, lora_request, ...).
    lora = kwargs.get("lora_request", args[3] if len(args) > 3 else None)
    return None if lora is None else str(lora.lora_name)


def _begin(live: LiveRequest | None) -> EngineCall:
    call = EngineCall()
    with guarded("begin_call"):
        if live is not None:
            live.begin_call(call)
        _CALL.set(call)
    return call


def _note_output(call: EngineCall, output: object) -> None:
    # Runs once per output: a bare try costs nothing, a context manager 1 µs.
    try:
        add_finish_reasons(call.finish_reasons, output)
    except Exception as error:
        failed("output", error)


def add_finish_reasons(found: list[str], output: object) -> None:
    """Add those of the sequences that an output ends: a state does not hold its own.

    A pooling output has none.
    """
    sequences = getattr(output, "outputs", None)
    if isinstance(sequences, list):
        for each in sequences:
            if each.finish_reason is not None:
                found.append(each.finish_reason)
