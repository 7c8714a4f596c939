"""Leaves a stream as asyncio does: the task that reads it is cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from clients import script
from clients.said import Said

_PATIENCE_SECONDS = 60.0


async def cancelled(reading: AsyncIterator[None], said: Said) -> None:
    """Cancel the reader after a few pieces; that it ended by itself is a fault of the client's."""
    seen = asyncio.Event()
    task = asyncio.create_task(_read(reading, seen))
    ended = asyncio.create_task(seen.wait())
    await asyncio.wait({task, ended}, timeout=_PATIENCE_SECONDS, return_when="FIRST_COMPLETED")
    ended.cancel()
    if task.done():
        # What it raised is what the client was told.
        await task
    said.check(not task.done(), "the stream ended before the task was cancelled")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _read(reading: AsyncIterator[None], seen: asyncio.Event) -> None:
    pieces = 0
    async for _ in reading:
        pieces += 1
        if pieces == script.SEEN:
            seen.set()
