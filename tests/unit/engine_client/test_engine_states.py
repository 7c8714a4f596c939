"""ObservedLLM: which states a call keeps, and what its shutdown tells."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from vllm.pooling_params import PoolingParams
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.engine_client.observed_engine import ObservedLLM
from server.requests.engine_call import EngineCall
from server.requests.live_request import CURRENT, LiveRequest
from tests.unit.engine import explode, output, request, settled
from tests.unit.helpers import hook_failures


class Bare(ObservedLLM):
    """An ObservedLLM without an engine: there is nothing to end."""

    def __del__(self) -> None:
        pass


class Processor:
    """What we read of vLLM's OutputProcessor."""

    def __init__(self) -> None:
        self.external_req_ids: defaultdict[str, list[str]] = defaultdict(list)
        self.request_states: dict[str, Any] = {}


class Fake:
    """Stands where AsyncLLM would start an engine: n children for each added request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int = 1) -> None:
        self.llm = Bare.__new__(Bare)
        self.llm.output_processor = Processor()
        self._n = n
        monkeypatch.setattr(AsyncLLM, "add_request", self._add)
        monkeypatch.setattr(AsyncLLM, "generate", self._generate)
        monkeypatch.setattr(AsyncLLM, "encode", self._generate)

    async def _add(self, request_id: str, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.01)
        queue, processor = object(), self.llm.output_processor
        for index in range(self._n):
            internal = f"{index}_{request_id}"
            processor.external_req_ids[request_id].append(internal)
            state = SimpleNamespace(name=internal, queue=queue)
            processor.request_states[internal] = state
        return queue

    async def _generate(self, *args: Any, request_id: str) -> AsyncGenerator[Any, None]:
        await self.llm.add_request(request_id, "prompt", None)
        yield output("stop")


def names(call: EngineCall) -> list[str]:
    return [state.name for state in call.states]


async def test_a_call_keeps_the_states_of_all_its_children(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch, n=3).llm
    [each async for each in llm.generate(request_id="r")]
    assert names(live.calls[0]) == ["0_r", "1_r", "2_r"]


async def test_states_outlive_what_the_processor_forgets(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch).llm
    [each async for each in llm.encode(request_id="r")]
    llm.output_processor.request_states.clear()
    assert names(live.calls[0]) == ["0_r"]


async def test_a_call_keeps_what_the_engine_was_asked_for(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm, params = Fake(monkeypatch).llm, object()
    [each async for each in llm.generate(request_id="r")]
    assert live.calls[0].params is None
    await llm.add_request("s", "prompt", params)
    assert live.calls[0].params is params
    await llm.add_request("t", prompt="prompt", params=None)
    assert live.calls[0].params is None


async def test_a_call_knows_how_many_answers_it_was_asked_for(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch).llm
    [each async for each in llm.generate(request_id="r")]
    for params, answers in (
        (SamplingParams(n=2), 2),
        (SamplingParams(), 1),
        (PoolingParams(), 1),
    ):
        await llm.add_request("s", "prompt", params)
        assert live.calls[0].answers == answers


@pytest.mark.parametrize("named", [True, False])
async def test_what_ran_is_told_when_the_engine_took_it(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    llm, told = Fake(monkeypatch).llm, []
    live.ran = told.append
    lora = SimpleNamespace(lora_name="an-adapter")
    await llm.add_request("r", "prompt", None)
    if named:
        await llm.add_request("s", "prompt", None, lora_request=lora)
    else:
        await llm.add_request("s", "prompt", None, None, lora)
    assert told == [None, "an-adapter"]


async def test_what_the_engine_refused_did_not_run(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm, told = Fake(monkeypatch).llm, []
    live.ran = told.append

    async def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("bad grammar")

    monkeypatch.setattr(AsyncLLM, "add_request", refuse)
    with pytest.raises(ValueError, match="bad grammar"):
        await llm.add_request("r", "prompt", None)
    assert told == []


async def test_two_calls_in_two_tasks_get_their_own_states(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch).llm

    async def consume(request_id: str) -> None:
        async for _ in llm.generate(request_id=request_id):
            await asyncio.sleep(0.01)

    await asyncio.gather(consume("a"), consume("b"))
    assert [names(call) for call in live.calls] == [["0_a"], ["0_b"]]


async def test_two_requests_in_two_tasks_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = Fake(monkeypatch).llm

    async def serve(request_id: str) -> LiveRequest:
        mine = request()
        CURRENT.set(mine)
        async for _ in llm.generate(request_id=request_id):
            await asyncio.sleep(0.01)
        return mine

    served = await asyncio.gather(serve("a"), serve("b"))
    assert [[names(call) for call in each.calls] for each in served] == [[["0_a"]], [["0_b"]]]


async def test_a_batch_stepped_by_a_fresh_task_each_time_keeps_its_states(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # vLLM merges the prompts of a batch by awaiting each next output in a task of its own.
    llm = Fake(monkeypatch).llm
    streams = [llm.generate(request_id=name) for name in ("a", "b")]
    await asyncio.gather(*(asyncio.ensure_future(anext(each)) for each in streams))
    for each in streams:
        assert [rest async for rest in each] == []
    assert sorted(names(call)[0] for call in live.calls) == ["0_a", "0_b"]
    assert await settled(live)


async def test_states_of_another_request_with_the_same_id_are_not_taken(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch).llm
    processor = llm.output_processor
    processor.external_req_ids["r"].append("old")
    processor.request_states["old"] = SimpleNamespace(name="old", queue=object())
    [each async for each in llm.generate(request_id="r")]
    assert names(live.calls[0]) == ["0_r"]


async def test_states_that_cannot_be_read_break_no_stream(
    live: LiveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = Fake(monkeypatch).llm
    monkeypatch.setattr(ObservedLLM, "_states", explode)
    with hook_failures("add_request", 1):
        assert len([each async for each in llm.generate(request_id="r")]) == 1
    assert live.calls[0].states == ()


class Stopping:
    """An ObservedLLM without an engine, whose end can be asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, core: Any) -> None:
        self.llm = Bare.__new__(Bare)
        self.llm.engine_core = core
        self.timeouts: list[float | None] = []
        monkeypatch.setattr(AsyncLLM, "shutdown", self._shutdown)

    def _shutdown(self, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)
        if hasattr(self.llm.engine_core, "resources"):
            self.llm.engine_core.resources.engine_dead = True


@pytest.mark.parametrize("dead", [False, True])
def test_the_first_shutdown_keeps_whether_the_engine_was_dead(
    monkeypatch: pytest.MonkeyPatch, dead: bool
) -> None:
    core = SimpleNamespace(resources=SimpleNamespace(engine_dead=dead))
    stopping = Stopping(monkeypatch, core)
    stopping.llm.shutdown(3.0)
    stopping.llm.shutdown()
    assert stopping.llm.died is dead
    assert stopping.timeouts == [3.0, None]


def test_a_shutdown_that_cannot_be_asked_still_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = Stopping(monkeypatch, SimpleNamespace())
    with hook_failures("shutdown", 1):
        stopping.llm.shutdown()
    assert stopping.timeouts == [None]
