"""One thread that does what the event loop may not wait for, one thing after the other."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from server.signals.hook_errors import guarded

T = TypeVar("T")


class Scribe:
    """A thread with the name; the process ends without waiting for it."""

    def __init__(self, name: str) -> None:
        self._due: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name=name).start()

    def have(self, work: Callable[..., None], *values: object) -> None:
        """Have it done; what it raises is counted."""
        self._due.put(partial(work, *values))

    def ask(self, question: Callable[[], T]) -> asyncio.Future[T]:
        """What it returns, for the running event loop; no answer where it raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def tell() -> None:
            found = question()
            # A loop that is closed waits for nothing.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, answer, found)

        self._due.put(tell)
        return answer

    def _work(self) -> None:
        while True:
            work = self._due.get()
            with guarded("ready"):
                work()


def _settle(answer: asyncio.Future[T], found: T) -> None:
    if not answer.done():
        answer.set_result(found)
