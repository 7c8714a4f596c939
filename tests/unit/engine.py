"""What the tests of ObservedLLM share: a request, outputs, and the end of its calls."""

import asyncio
from types import SimpleNamespace
from typing import Any

from server.record.request import Operation
from server.requests.live_request import LiveRequest
from tests.unit.helpers import SPAN_ID, TRACE_ID


def request() -> LiveRequest:
    return LiveRequest(TRACE_ID, SPAN_ID, "POST", "/v1/chat/completions", Operation.CHAT)


def output(*reasons: str | None) -> Any:
    return SimpleNamespace(outputs=[SimpleNamespace(finish_reason=reason) for reason in reasons])


async def settled(live: LiveRequest) -> bool:
    await asyncio.wait_for(live.settle(), 0.2)
    return True


def explode(*_: Any) -> None:
    raise RuntimeError("text of a prompt")
