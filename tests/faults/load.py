"""Mixed load beside a test: what its clients saw is there when the block is over."""

import argparse
import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest import mixed
from tests.e2e.client import API


@contextmanager
def load(rate: float, seconds: float, seed: int = 4) -> Iterator[list[mixed.End]]:
    """Requests per second for so many seconds; waits for the last of them at the block's end."""
    options = argparse.Namespace(url=API, rate=rate, seconds=seconds, seed=seed)
    ends: list[mixed.End] = []
    thread = threading.Thread(target=lambda: ends.extend(asyncio.run(mixed.run(options, [""]))))
    thread.start()
    try:
        yield ends
    finally:
        thread.join()


def answered(ends: list[mixed.End]) -> set[str]:
    """The traces of requests with an answer: who hangs up may do so before a word was read."""
    return {end.trace_id for end in ends if end.status[:1].isdigit()}
