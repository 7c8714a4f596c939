"""ObservedLLM: calls are noted on the running request, and our errors never reach a stream."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from server.engine_client import observed_engine as engine_module
from server.engine_client.observed_engine import _watch
from server.requests.live_request import CURRENT, LiveRequest
from tests.unit.engine import explode, output, settled
from tests.unit.helpers import hook_failures


async def stream(*outputs: Any, error: BaseException | None = None) -> AsyncGenerator[Any, None]:
    for each in outputs:
        yield each
        await asyncio.sleep(0)
    if error is not None:
        raise error


async def test_outputs_pass_unchanged_and_finish_reasons_are_kept(live: LiveRequest) -> None:
    outputs = [output(None, None), output("stop", None), output(None, "length")]
    assert [each async for each in _watch(stream(*outputs))] == outputs
    assert [call.finish_reasons for call in live.calls] == [["stop", "length"]]
    assert live.calls[0].error is None
    assert await settled(live)


async def ended(*ends: bool, reason: str = "stop") -> AsyncGenerator[Any, None]:
    """Outputs of one answer, as vLLM makes them: the last one ends it."""
    for is_last in ends:
        each = output(reason if is_last else None)
        each.finished = is_last
        yield each


async def test_the_only_answer_is_looked_at_when_it_ends(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    note = engine_module._note_output
    monkeypatch.setattr(
        engine_module, "_note_output", lambda call, each: (looked.append(each), note(call, each))
    )
    watched = _watch(ended(False, False, True))
    await anext(watched)
    live.calls[0].answers = 1
    assert len([each async for each in watched]) == 2
    assert len(looked) == 2, "the first, before it was known, and the last"
    assert live.calls[0].finish_reasons == ["stop"]


async def test_of_several_answers_each_end_is_noted_whenever_it_comes(live: LiveRequest) -> None:
    async def two() -> AsyncGenerator[Any, None]:
        for reasons, is_last in (((None, "stop"), False), (("length",), True)):
            each = output(*reasons)
            each.finished = is_last
            yield each

    watched = _watch(two())
    found = [await anext(watched)]
    live.calls[0].answers = 2
    found += [each async for each in watched]
    assert live.calls[0].finish_reasons == ["stop", "length"]


async def test_a_pooling_output_has_no_finish_reason(live: LiveRequest) -> None:
    pooled = SimpleNamespace(outputs=SimpleNamespace(data=[0.1]))
    assert [each async for each in _watch(stream(pooled))] == [pooled]
    assert live.calls[0].finish_reasons == []


async def test_an_error_is_kept_and_raised(live: LiveRequest) -> None:
    error = ValueError("bad grammar")
    with pytest.raises(ValueError, match="bad grammar"):
        [each async for each in _watch(stream(output(None), error=error))]
    assert live.calls[0].error is error
    assert await settled(live)


async def test_closing_early_ends_the_call_and_the_inner_stream(live: LiveRequest) -> None:
    closed: list[bool] = []

    async def inner() -> AsyncGenerator[Any, None]:
        try:
            while True:
                yield output(None)
        finally:
            closed.append(True)

    watched = _watch(inner())
    await anext(watched)
    await watched.aclose()
    assert closed == [True]
    assert live.calls[0].error is None
    assert await settled(live)


async def test_a_cancelled_task_ends_the_call(live: LiveRequest) -> None:
    async def consume() -> None:
        async for _ in _watch(hang()):
            pass

    async def hang() -> AsyncGenerator[Any, None]:
        yield output(None)
        await asyncio.Future()

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert live.calls[0].error is None
    assert await settled(live)


async def test_without_a_request_a_stream_passes() -> None:
    assert CURRENT.get() is None
    assert len([each async for each in _watch(stream(output("stop")))]) == 1


@pytest.mark.parametrize(
    ("owner", "name", "hook"),
    [
        (LiveRequest, "begin_call", "begin_call"),
        (LiveRequest, "end_call", "end_call"),
        (engine_module, "add_finish_reasons", "output"),
    ],
)
async def test_a_hook_that_raises_breaks_no_stream(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, hook: str
) -> None:
    monkeypatch.setattr(owner, name, explode)
    with hook_failures(hook, 1):
        assert len([each async for each in _watch(stream(output("stop")))]) == 1
