"""One request over one connection, read line by line and stamped as each chunk comes.

Locust's own reader of lines waits for 1,024 bytes, and its response time ends at the headers:
neither can tell when the first token came.
"""

import errno
import json
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from socket import gaierror
from typing import Any

import gevent
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPSocketPoolResponse

from loadtest.generator.people import Ask
from loadtest.generator.validity import OWN_LIMIT
from loadtest.rows import IN_STREAM

HUNG_UP, TIMED_OUT = "hung up", "the client's patience ran out"
NOT_WHOLE, NO_JSON = "the answer is not whole", "the answer is no JSON"
_OWN = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}


class _HangUp(BaseException):
    """The client goes, as it was asked to."""


@dataclass(slots=True)
class Seen:
    """What the client saw; all `*_ns` are of CLOCK_MONOTONIC."""

    started_ns: int = 0
    acked_ns: int | None = None
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    ended_ns: int = 0
    status: int | None = None
    outcome: str = "unreachable"
    ended_as: str = ""
    gaps: list[float] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0

    def token(self, now_ns: int) -> None:
        """A chunk with content came."""
        if self.last_token_ns is None:
            self.first_token_ns = now_ns
        else:
            self.gaps.append((now_ns - self.last_token_ns) / 1e9)
        self.last_token_ns = now_ns


def send(client: HTTPClient, ask: Ask, headers: dict[str, str], patience: float) -> Seen:
    """Send one request and read its answer, for at most `patience` seconds."""
    seen = Seen(started_ns=time.monotonic_ns())
    try:
        with gevent.Timeout(patience, HTTPException(TIMED_OUT)):
            _exchange(client, ask, headers, seen)
    except _HangUp:
        seen.outcome, seen.ended_as = "aborted", HUNG_UP
    except Exception as error:
        # Whatever a server or a proxy says, the request has its row.
        _broken(seen, error)
    seen.ended_ns = time.monotonic_ns()
    return seen


def _exchange(client: HTTPClient, ask: Ask, headers: dict[str, str], seen: Seen) -> None:
    response = None
    try:
        with gevent.Timeout(ask.seconds, _HangUp):
            response = client.request("POST", ask.path, ask.body, headers)
            seen.acked_ns, seen.status = time.monotonic_ns(), response.status_code
            if ask.stream and response.status_code == 200:
                _read_stream(response, ask, seen)
            else:
                _read_whole(response.read(), response.status_code, seen)
    finally:
        if response is not None:
            response.release()


def _broken(seen: Seen, error: Exception) -> None:
    if str(error) == TIMED_OUT:
        seen.outcome, seen.ended_as = "timeout", TIMED_OUT
    elif isinstance(error, ValueError):
        seen.outcome, seen.ended_as = "cut_off", NO_JSON
    else:
        seen.outcome = "unreachable" if seen.status is None else "cut_off"
        own = isinstance(error, gaierror) or getattr(error, "errno", None) in _OWN
        seen.ended_as = f"{OWN_LIMIT if own else ''}{type(error).__name__}"


def by_status(status: int) -> str:
    """The outcome of an answer with this status."""
    if status == 504:
        return "timeout"
    return "ok" if status < 400 else "client_error" if status < 500 else "server_error"


def _read_whole(body: bytes, status: int, seen: Seen) -> None:
    seen.bytes = len(body)
    seen.outcome, seen.ended_as = by_status(status), str(status)
    if seen.outcome == "ok":
        try:
            seen.usage = json.loads(body).get("usage") or {}
        except (ValueError, AttributeError):
            seen.outcome, seen.ended_as = "cut_off", NOT_WHOLE


def _read_stream(response: HTTPSocketPoolResponse, ask: Ask, seen: Seen) -> None:
    done, chunks = False, 0
    while line := response.readline(b"\n"):
        # Before it is parsed: our own work is in no latency.
        now = time.monotonic_ns()
        seen.bytes += len(line)
        if not line.startswith(b"data:"):
            continue
        text = line[5:].strip()
        if text == b"[DONE]":
            done = True
            continue
        if _is_content(_chunk(text, seen)):
            chunks += 1
            seen.token(now)
            if chunks == ask.chunks:
                raise _HangUp
    _end_of_stream(done, seen)


def _chunk(text: bytes, seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(NO_JSON)
    if error := found.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        seen.outcome = by_status(code if isinstance(code, int) and code >= 400 else 500)
        seen.ended_as = IN_STREAM
    if isinstance(found.get("usage"), dict):
        seen.usage = found["usage"]
    return found


def _is_content(chunk: dict[str, Any]) -> bool:
    """The first event of a chat has a role and no content: no token has come yet."""
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        said = ("content", "reasoning", "reasoning_content", "tool_calls")
        if choice.get("text") or any(delta.get(name) for name in said):
            return True
    return False


def _end_of_stream(done: bool, seen: Seen) -> None:
    if seen.ended_as == IN_STREAM:
        return
    whole = done and bool(seen.usage)
    seen.outcome = "ok" if whole else "cut_off"
    seen.ended_as = "200" if whole else NOT_WHOLE
