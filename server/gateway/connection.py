"""The caller's end of a request: whether it is still there, and how a dead one is cut off."""

import asyncio
import time
from typing import Any

from starlette.types import Message, Receive

from server.requests.live_request import LiveRequest

DISCONNECT: Message = {"type": "http.disconnect"}
LAST_WORDS_SECONDS = 1.0
"""How long an answer of ours may wait for a caller that does not read."""
_LOOK_SECONDS = 0.02


class CallerGoneError(OSError):
    """What an application is told that goes on sending to nobody; Starlette expects an OSError."""


class Caller:
    """Knows when the caller is gone: it left, or the deadline (monotonic seconds) passed.

    Nothing here waits for the application to ask: `watch` sets `gone` by itself.
    """

    def __init__(self, live: LiveRequest, receive: Receive, deadline: float) -> None:
        self._live = live
        self._receive = receive
        self._deadline = deadline
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        """The next message, at the deadline a disconnect."""
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._live.timed_out = not self._live.response_complete
            return DISCONNECT
        # Also delivered after a normal end: a client is only gone while it is owed something.
        if message["type"] == "http.disconnect" and not self._live.response_complete:
            self._live.disconnected = True
        return message

    async def watch(self) -> None:
        """Wait until the caller is gone or has its whole answer; the body has been read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    def cut(self) -> None:
        """Close the connection at once, whatever is still unread: close() would wait for that."""
        transport = _transport(self._receive)
        if transport is not None:
            transport.abort()

    async def cut_unless_read(self) -> None:
        """Close the connection if the caller has not read its answer within LAST_WORDS_SECONDS."""
        transport = _transport(self._receive)
        until = time.monotonic() + LAST_WORDS_SECONDS
        while transport is not None and transport.get_write_buffer_size():
            if time.monotonic() > until:
                transport.abort()
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _transport(receive: Receive) -> Any:
    # uvicorn has no other way to one connection: receive() is a method of what holds its transport.
    return getattr(getattr(receive, "__self__", None), "transport", None)
