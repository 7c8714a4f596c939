"""A task that reads a stream is cancelled, and what it was told before that is kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from clients import leaving
from clients.said import LEFT, Said


async def _endless(left: list[str]) -> AsyncIterator[None]:
    try:
        while True:
            await asyncio.sleep(0)
            yield
    except asyncio.CancelledError:
        left.append("cancelled")
        raise


async def _short() -> AsyncIterator[None]:
    yield


async def _refused() -> AsyncIterator[None]:
    raise ValueError
    yield


async def test_the_reader_is_cancelled_in_mid_stream() -> None:
    left = list[str]()
    said = Said("one", LEFT)
    await leaving.cancelled(_endless(left), said)
    assert (left, said.fault) == (["cancelled"], "")


async def test_a_stream_that_ends_by_itself_was_not_left() -> None:
    said = Said("one", LEFT)
    await leaving.cancelled(_short(), said)
    assert "ended before" in said.fault


async def test_what_the_client_raises_is_raised() -> None:
    with pytest.raises(ValueError):  # noqa: PT011, it has no text
        await leaving.cancelled(_refused(), Said("one", LEFT))
