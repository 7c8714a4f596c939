"""The watch over an engine: who is asked, what is told, and that nothing of it harms serving."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.readiness import watch as watch_module
from server.readiness import witness
from server.readiness.stall import Pulse
from server.readiness.state import Readiness, Reason
from server.readiness.watch import Watch
from server.signals.stacks import Seen
from tests.unit.helpers import SPAN_ID, TRACE_ID, hook_failures

LIMIT = 20.0
ID = f"chatcmpl-{TRACE_ID}-{SPAN_ID}-0-b1946ac9"
PATIENCE = 30.0


class Engine:
    """An engine whose requests and replies a test decides on."""

    def __init__(self) -> None:
        self.ids: list[str] = [ID]
        self.reply = asyncio.Event()
        self.asked = 0
        self.error: Exception | None = None

    def get_num_unfinished_requests(self) -> int:
        return len(self.ids)

    def request_ids(self) -> list[str]:
        return list(self.ids)

    async def answer(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await self.reply.wait()


class Scene:
    """A watch over an engine, and the events that it has written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, look: Callable[[], list[Seen]]) -> None:
        self.engine, self.pulse, self.readiness = Engine(), Pulse(), Readiness()
        self.readiness.start()
        self.events: list[tuple[Any, ...]] = []
        self.writers: set[str] = set()
        self.looks = 0
        self._look = look
        self._written = threading.Event()
        for name in ("engine_stalled", "engine_recovered"):
            monkeypatch.setattr(witness, name, self._writing(name))
        self.watch = Watch(self.engine, self.pulse, self.readiness, LIMIT, self._counted)

    def _counted(self) -> list[Seen]:
        self.looks += 1
        return self._look()

    def _writing(self, name: str) -> Callable[..., None]:
        def write(*values: object) -> None:
            self.writers.add(threading.current_thread().name)
            self.events.append((name, *values))
            self._written.set()

        return write

    async def pass_time(self, ticks: int) -> None:
        for _ in range(ticks):
            await self.watch.tick(1.0)
            await asyncio.sleep(0)

    async def written(self) -> tuple[Any, ...]:
        assert await asyncio.to_thread(self._written.wait, PATIENCE)
        self._written.clear()
        return self.events[-1]


def nobody() -> list[Seen]:
    return []


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    return lambda look=nobody: Scene(monkeypatch, look)


Made = Callable[..., Scene]


async def test_a_silent_engine_is_asked_looked_at_and_written_down_once(scene: Made) -> None:
    seen = [Seen(7, "EngineCore", state="T (stopped)")]
    found = scene(lambda: seen)
    await found.pass_time(20)
    assert (found.engine.asked, found.looks, found.readiness.reason) == (1, 0, None)
    await found.pass_time(1)
    assert found.readiness.reason is Reason.ENGINE_STALLED
    assert await found.written() == ("engine_stalled", LIMIT, [ID], seen)
    await found.pass_time(60)
    assert (found.engine.asked, found.looks, len(found.events)) == (1, 1, 1)
    found.engine.reply.set()
    await found.pass_time(2)
    assert found.readiness.reason is None
    assert (await found.written())[0] == "engine_recovered"
    assert found.events[-1][1] >= LIMIT + 60
    assert found.writers == {"stall-scribe"}, "the event loop writes nothing"


async def test_who_waited_is_named_though_he_has_gone(scene: Made) -> None:
    found = scene()
    await found.pass_time(10)
    found.engine.ids.clear()
    await found.pass_time(11)
    assert (await found.written())[2] == [ID]


async def test_an_engine_that_makes_steps_is_not_asked(scene: Made) -> None:
    found = scene()
    for _ in range(100):
        found.pulse.beat()
        await found.pass_time(1)
    assert (found.engine.asked, found.looks) == (0, 0)


async def test_a_compiling_engine_is_ready(scene: Made) -> None:
    places = ("torch/_inductor/graph.py:1:run", "vllm/v1/engine/core.py:674:step")
    found = scene(lambda: [Seen(7, "EngineCore", [places])])
    await found.pass_time(60)
    assert found.looks == 4
    assert found.readiness.reason is None


async def test_a_look_that_fails_is_counted_and_the_engine_stalled(
    scene: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[Seen]:
        raise OSError("text of a prompt")

    monkeypatch.setattr(watch_module, "_LOOK_SECONDS", 0.1)
    found = scene(fail)
    # The look in the scribe's thread, and the wait for it.
    with hook_failures("ready", 2):
        await found.pass_time(21)
    assert found.readiness.reason is Reason.ENGINE_STALLED
    assert (await found.written())[3] == []


async def test_a_look_that_hangs_holds_up_neither_the_loop_nor_the_verdict(
    scene: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_LOOK_SECONDS", 0.1)
    hangs = threading.Event()
    found = scene(lambda: [Seen(1, str(hangs.wait(PATIENCE)))])
    with hook_failures("ready", 1):
        await found.pass_time(21)
    assert found.readiness.reason is Reason.ENGINE_STALLED
    assert found.events == []
    hangs.set()
    assert (await found.written())[0] == "engine_stalled"


async def test_an_engine_that_dies_when_it_is_asked_is_no_error_of_ours(scene: Made) -> None:
    found = scene()
    found.engine.error = RuntimeError("EngineCore encountered an issue")
    with hook_failures("ready", 0):
        await found.pass_time(8)
    assert found.engine.asked > 1, "and it is asked again"


@pytest.mark.parametrize("end", ["drain", "die"])
async def test_nothing_is_judged_at_the_end(scene: Made, end: str) -> None:
    found = scene()
    await found.pass_time(10)
    if end == "drain":
        found.readiness.drain()
    else:
        found.readiness.watch_engine(lambda: True)
    await found.pass_time(100)
    assert (found.looks, found.events) == (0, [])


async def test_it_runs_until_it_is_cancelled_whatever_is_raised(
    scene: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "TICK_SECONDS", 0.001)
    found, ticks = scene(), asyncio.Event()
    calls: list[float] = []

    async def tick(elapsed: float) -> None:
        calls.append(elapsed)
        if len(calls) == 3:
            ticks.set()
        raise RuntimeError("text of a prompt")

    monkeypatch.setattr(found.watch, "tick", tick)
    task: Awaitable[None] = asyncio.ensure_future(found.watch.run())
    await asyncio.wait_for(ticks.wait(), PATIENCE)
    task.cancel()  # type: ignore[attr-defined]
    with pytest.raises(asyncio.CancelledError):
        await task
    assert min(calls) > 0
