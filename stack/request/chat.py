"""One streaming chat request to the server, with the client's own clock."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stack.errors import Fault

HOST, PORT = "127.0.0.1", 8000
PATH = "/v1/chat/completions"


@dataclass
class Answer:
    """What came back: times in seconds on the client's clock, `started` in Unix seconds."""

    trace_id: str
    status: int
    started: float
    first_token: float | None = None
    seconds: float = 0.0
    usage: dict[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    error: str = ""


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for raw in response:
        line = raw.decode(errors="replace").strip()
        if line.startswith("data:") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data:"))


def _take(answer: Answer, event: dict[str, Any], show: Callable[[str], None], t0: float) -> None:
    answer.usage = event.get("usage") or answer.usage
    answer.error = (event.get("error") or {}).get("message", answer.error)
    for choice in event.get("choices", []):
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason
        if text := choice.get("delta", {}).get("content"):
            answer.first_token = answer.first_token or time.monotonic() - t0
            show(text)


def _body(model: str, prompt: str, max_tokens: int) -> bytes:
    return json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()


def _reason(response: http.client.HTTPResponse) -> str:
    text = response.read().decode(errors="replace")
    try:
        found = json.loads(text).get("error", {})
        return str(found.get("message", found))
    except (ValueError, AttributeError):
        return text[:200]


def send(body: bytes, key: str, show: Callable[[str], None]) -> Answer:
    """Send it and hand each piece of text to `show`; raises Fault when nothing answers."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    connection, started, t0 = _connect(), time.time(), time.monotonic()
    try:
        connection.request("POST", PATH, body, headers)
        response = connection.getresponse()
        answer = Answer(response.headers.get("x-trace-id", ""), response.status, started)
        if response.status != 200:
            answer.error = _reason(response)
        for event in _events(response):
            _take(answer, event, show, t0)
    except (OSError, http.client.HTTPException) as error:
        raise Fault(f"the server broke the request off ({error})", "see `make status`") from error
    finally:
        connection.close()
    answer.seconds = time.monotonic() - t0
    return answer


def _connect() -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(HOST, PORT, timeout=600)
    try:
        connection.connect()
    except OSError as error:
        raise Fault(f"nothing answers on {HOST}:{PORT}", "start it with `make up`") from error
    return connection


def ask(model: str, prompt: str, max_tokens: int, key: str, show: Callable[[str], None]) -> Answer:
    """Ask one question; an HTTP error is in the answer, not raised."""
    return send(_body(model, prompt, max_tokens), key, show)
