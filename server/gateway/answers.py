"""The answers that are ours: errors in the form of vLLM's, and what a probe is told."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message


def with_headers(start: Message, more: Mapping[str, str]) -> Message:
    """The beginning of a response, with these headers instead of any of their names."""
    headers = MutableHeaders(raw=list(start.get("headers", ())))
    headers.update(more)
    return {**start, "headers": headers.raw}


def error(status: int, message: str, reason: str, more: Mapping[str, str]) -> tuple[Message, ...]:
    """A whole response that tells an error, as vLLM's own do."""
    return _whole(status, error_body(status, message, reason), more)


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


def error_body(status: int, message: str, reason: str) -> bytes:
    """Its body alone, as an event of a stream that has begun carries it."""
    told: dict[str, Any] = {"message": message, "type": reason, "param": None, "code": status}
    return json.dumps({"error": told}).encode()
