"""What a caller asked to be told of its own request, put into the response on its way out."""

from collections.abc import Mapping
from typing import Self

from starlette.datastructures import Headers
from starlette.types import Message

from server.gateway import answers, cost_told, timing_told
from server.gateway.gate import Gate
from server.record.request import RequestRecord
from server.requests.live_request import LiveRequest
from server.signals.hook_errors import guarded


class Telling:
    """Adds cost and timing to the messages of one response."""

    def __init__(self, gate: Gate, live: LiveRequest, cost: bool, timing: bool) -> None:
        self._observer = gate.observer
        self._tell = gate.settings.tell_cost
        self._live = live
        self._cost = cost
        self._timing = timing

    @classmethod
    def asked(cls, gate: Gate, live: LiveRequest, headers: Mapping[str, str]) -> Self | None:
        """What the request's headers ask for and its caller may know; None where that is nothing.

        Of who does not ask each token takes the short way.
        """
        cost = cost_told.asked(headers, gate.settings.tell_cost)
        timing = timing_told.asked(headers)
        return cls(gate, live, cost, timing) if cost or timing else None

    async def into(self, message: Message) -> Message:
        """The message with what is known by now; a stream has its cost in its usage event alone."""
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            if not self._cost or not cost_told.is_usage_event(body):
                return message
            return {**message, "body": cost_told.into_usage_event(body, await self._amounts())}
        # A stream begins before its phases end.
        return message if is_stream(message) else await self._into_headers(message)

    async def _into_headers(self, start: Message) -> Message:
        more: dict[str, str] = {}
        if self._cost:
            more |= cost_told.as_headers(await self._amounts())
        # Of what ended badly the engine may still be making tokens: its phases are not over.
        if self._timing and start["status"] < 400:
            with guarded("told"):
                more |= timing_told.as_headers(self._freeze())
        return answers.with_headers(start, more)

    async def _amounts(self) -> dict[str, float]:
        # What the last step cost may be a step behind its token.
        await self._live.settle()
        amounts: dict[str, float] = {}
        with guarded("told"):
            record = self._freeze()
            amounts |= cost_told.amounts(record, self._observer.cost(record), self._tell)
        return amounts

    def _freeze(self) -> RequestRecord:
        return self._observer.freeze(self._live)


def is_stream(start: Message) -> bool:
    """True for the beginning of a response of server-sent events."""
    headers = Headers(raw=list(start.get("headers", ())))
    return headers.get("content-type", "").startswith("text/event-stream")
