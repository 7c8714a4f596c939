"""Causes at the server: requests fail, the engine stands still, callers leave, a queue grows."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stack.drills.scene import Scene
from stack.drills.traffic import Asked
from stack.native import orphans

LONG = Asked(tokens_in=8, tokens_out=1900)
PULSE_SECONDS = 0.6
REST_SECONDS = 0.6


@contextmanager
def all_fail(scene: Scene) -> Iterator[None]:
    """Every request runs past the deadline of the hasty server."""
    with scene.traffic(LONG, callers=24, pause=0.1):
        scene.begin()
        yield


@contextmanager
def engine_stopped(scene: Scene) -> Iterator[None]:
    """The engine core does nothing while requests run; the API process answers as ever."""
    engine = scene.hands.engine_core()
    with scene.traffic(Asked(tokens_out=400), callers=2):
        scene.wait_total("request that runs", 'sum(vllm:num_requests_running{job="llm-server"})')
        with scene.hands.paused(engine):
            scene.begin()
            yield


@contextmanager
def blocked_loop(scene: Scene) -> Iterator[None]:
    """The API process stands still for half of each second."""
    pid, over = scene.hands.pid("server"), threading.Event()

    def pulse() -> None:
        while not over.is_set() and orphans.is_alive(pid):
            os.kill(pid, signal.SIGSTOP)
            over.wait(PULSE_SECONDS)
            os.kill(pid, signal.SIGCONT)
            over.wait(REST_SECONDS)

    thread = threading.Thread(target=pulse, daemon=True)
    try:
        thread.start()
        scene.begin()
        yield
    finally:
        over.set()
        thread.join()
        if orphans.is_alive(pid):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def leaving_callers(scene: Scene) -> Iterator[None]:
    """Callers hang up long before their answer is whole."""
    with scene.traffic(Asked(tokens_out=1900, leaves_after=0.3), callers=3, pause=0.3):
        scene.begin()
        yield


@contextmanager
def growing_queue(scene: Scene) -> Iterator[None]:
    """One caller more each second than a batch of two can serve."""
    with scene.traffic(LONG, callers=200, pause=0.0, each_after=1.0):
        scene.begin()
        yield


@contextmanager
def standing_queue(scene: Scene) -> Iterator[None]:
    """A burst of callers far beyond a batch of two."""
    with scene.traffic(LONG, callers=40, pause=0.0):
        scene.begin()
        yield
