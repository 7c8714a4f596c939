"""Why a server is not ready: one reason at a time, the same for a probe and for the gauge."""

import time

import pytest
from prometheus_client import REGISTRY

from server.readiness.state import Readiness, Reason


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def gauge() -> dict[str, float | None]:
    name = "llm_server_not_ready"
    return {each: REGISTRY.get_sample_value(name, {"reason": each}) for each in Reason}


def only(reason: str | None) -> dict[str, float]:
    return {each.value: float(each == reason) for each in Reason}


def test_a_server_begins_with_starting_and_is_ready_when_callers_are_heard() -> None:
    clock = Clock()
    ready = Readiness(clock)
    ready.show()
    assert gauge() == only("starting")
    clock.now += 90.04
    assert ready.answer() == {"ready": False, "reason": "starting", "for_seconds": 90.0}
    ready.start()
    assert ready.answer() == {"ready": True}
    assert gauge() == only(None)


def test_a_stall_comes_and_goes() -> None:
    clock = Clock()
    ready = Readiness(clock)
    ready.show()
    ready.start()
    ready.stall(True)
    clock.now += 7
    assert ready.answer() == {"ready": False, "reason": "engine_stalled", "for_seconds": 7.0}
    assert gauge() == only("engine_stalled")
    ready.stall(False)
    assert (ready.answer(), gauge()) == ({"ready": True}, only(None))


def test_an_end_that_was_asked_for_is_draining_though_its_engine_is_marked_dead() -> None:
    dead: list[int] = []
    ready = Readiness()
    ready.watch_engine(lambda: bool(dead))
    ready.start()
    ready.stall(True)
    assert not ready.is_ending
    ready.drain()
    dead.append(1)
    assert (ready.reason, ready.is_ending) == (Reason.DRAINING, True)


def test_a_dead_engine_is_told_since_it_was_seen() -> None:
    clock, dead = Clock(), [1]
    ready = Readiness(clock)
    ready.show()
    ready.watch_engine(lambda: bool(dead))
    ready.start()
    ready.stall(True)
    clock.now += 3
    assert ready.answer() == {"ready": False, "reason": "engine_dead", "for_seconds": 3.0}
    assert gauge() == only("engine_dead")
    assert ready.is_ending


@pytest.mark.parametrize("died", [True, False])
def test_the_engines_end_is_told(died: bool) -> None:
    from types import SimpleNamespace
    from typing import Any, cast

    from server.engine_client.observed_engine import ObservedLLM

    ready = Readiness()
    ready.start()
    core = SimpleNamespace(
        resources=SimpleNamespace(engine_dead=died), shutdown=lambda timeout=None: None
    )
    engine = cast(Any, ObservedLLM.__new__(ObservedLLM))
    engine._readiness, engine.engine_core, engine.output_handler = ready, core, None
    engine.shutdown(0)
    assert ready.reason is (None if died else Reason.DRAINING)
    assert engine.died == died


def test_the_servers_clock_is_told_at_the_scrape() -> None:
    Readiness().show()
    before = time.time()
    found = REGISTRY.get_sample_value("llm_clock_seconds")
    assert found is not None
    assert before <= found <= time.time()
