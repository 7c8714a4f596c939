"""The answers that are ours: errors in the form of vLLM's, and what a probe is told."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message

from server.gateway.routes import MESSAGES, RESPONSES


def with_headers(start: Message, more: Mapping[str, str]) -> Message:
    """The beginning of a response, with these headers instead of any of their names."""
    headers = MutableHeaders(raw=list(start.get("headers", ())))
    headers.update(more)
    return {**start, "headers": headers.raw}


def error(
    status: int, message: str, reason: str, more: Mapping[str, str], path: str = ""
) -> tuple[Message, ...]:
    """A whole response that tells an error, as vLLM's own on that route do."""
    told = {"error": _told(status, message, reason)}
    # Anthropic's clients look for the type.
    body = {"type": "error", **told} if path.startswith(MESSAGES) else told
    return _whole(status, json.dumps(body).encode(), more)


def to_probe(status: int, said: Mapping[str, object]) -> tuple[Message, ...]:
    """A whole response to somebody who asks again and again, which nothing on the way may keep."""
    return _whole(status, json.dumps(said).encode(), {"cache-control": "no-store"})


def _whole(status: int, body: bytes, more: Mapping[str, str]) -> tuple[Message, ...]:
    plain = {"content-type": "application/json", "content-length": str(len(body))}
    headers = Headers({**plain, **more}).raw
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def of_exception(error: BaseException) -> tuple[int, str, str]:
    """Status, message and reason of what an application raised."""
    if "VLLMClientError" in {cls.__name__ for cls in type(error).__mro__}:
        # /v1/responses lets it out of a stream that has begun: the other routes write it there.
        return 400, str(error) or "The engine refused this request.", "bad_request"
    return 500, "The server failed on this request.", "internal_error"


def error_event(status: int, message: str, reason: str, path: str) -> bytes:
    """The same as the last event of a stream that has begun, in the form of that route's events."""
    told: dict[str, Any] = {"error": _told(status, message, reason)}
    if path == RESPONSES:
        told = {"type": "error", "code": reason, "message": message, "param": None, **told}
    elif path == MESSAGES:
        told = {"type": "error", **told}
    name = b"event: error\n" if path in (RESPONSES, MESSAGES) else b""
    return name + b"data: " + json.dumps(told).encode() + b"\n\n"


def _told(status: int, message: str, reason: str) -> dict[str, Any]:
    return {"message": message, "type": reason, "param": None, "code": status}
