"""Asks Prometheus for the worst exemplar of a selector: the request that an alert is about."""

import contextlib
import json
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

MAX_SELECTOR = 1024
MAX_ANSWER_BYTES = 8 << 20
"""What 15 minutes of some 200 buckets come to; more than this is asked for over a shorter time."""
ASK_SECONDS = 5.0
"""For one question, however many answers it takes."""
BEFORE_SECONDS = 900.0
"""An alert looks back: what set it off has happened before it began."""
_SHORTER = 300.0
_AT_ONCE = 2
"""The largest answer takes some 80 MB while it is read."""

_TEXT = r'"(?:[^"\\\n\r\x00]|\\[^\n\r\x00])*"'
_MATCHER = rf" *[a-zA-Z_][a-zA-Z0-9_]* *(?:=~|!~|!=|=) *{_TEXT} *"
_SELECTOR = re.compile(
    rf"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{(?:{_MATCHER}(?:,{_MATCHER})*(?:, *)?| *)\}})?"
)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
T = TypeVar("T")


@dataclass(frozen=True)
class Exemplar:
    """One exemplar: its value (seconds, of our histograms), Unix time, ids; no span id is empty."""

    value: float
    at: float
    trace_id: str
    span_id: str = ""


class UnansweredError(Exception):
    """Prometheus did not answer as it should: the text says what came instead."""


class _TooMuchError(UnansweredError):
    """The answer is larger than is read."""


def is_selector(text: str) -> bool:
    """True for `name{label="value", ...}` and nothing that Prometheus would compute."""
    return len(text) <= MAX_SELECTOR and _SELECTOR.fullmatch(text) is not None


def within(seconds: float, ask: Callable[[], T]) -> T | None:
    """What `ask` returns, None when that takes longer or raises UnansweredError."""
    found = list[T]()

    def run() -> None:
        try:
            found.append(ask())
        except UnansweredError:
            return

    # A timeout of a socket begins anew with each piece that arrives; this one does not.
    thread = threading.Thread(target=run, name="within", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


def _exemplar(raw: Any) -> Exemplar | None:
    try:
        value, at = float(raw["value"]), float(raw["timestamp"])
        trace_id, span_id = raw["labels"]["trace_id"], raw["labels"].get("span_id", "")
        is_one = _TRACE_ID.fullmatch(trace_id) and math.isfinite(value) and math.isfinite(at)
        known = span_id if _SPAN_ID.fullmatch(span_id) else ""
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return Exemplar(value, at, trace_id, known) if is_one else None


def _exemplars(body: bytes) -> Iterator[Exemplar]:
    try:
        parsed = json.loads(body)
        series = [raw for one in parsed["data"] for raw in one["exemplars"]]
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise UnansweredError("Prometheus answered with something else than exemplars") from error
    yield from filter(None, map(_exemplar, series))


class Worst:
    """Finds the worst exemplar in the Prometheus at the URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def find(
        self, selector: str, at: float, until: float, seconds: float = ASK_SECONDS
    ) -> Exemplar | None:
        """The exemplar of the highest value from a quarter of an hour before `at` to `until`.

        Where there are more than can be read, that of the minutes around `at`; Unix seconds.
        Raises UnansweredError, after so many seconds in any case.
        """
        deadline = time.monotonic() + seconds
        begin = max(0.0, at - BEFORE_SECONDS)
        windows = [(begin, until), (begin, at), (max(0.0, at - _SHORTER), at)]
        for start, end in windows:
            try:
                body = self._ask(selector, start, end, deadline)
            except _TooMuchError:
                continue
            return max(_exemplars(body), key=lambda one: (one.value, one.at), default=None)
        raise UnansweredError("Prometheus has more exemplars than are read: narrow the selector")

    def _ask(self, selector: str, start: float, end: float, deadline: float) -> bytes:
        asked = urlencode({"query": selector, "start": f"{start:.3f}", "end": f"{end:.3f}"})
        if not self._turns.acquire(blocking=False):
            raise UnansweredError("others are asking Prometheus: try again")
        try:
            return _read(f"{self._url}/api/v1/query_exemplars?{asked}", deadline)
        finally:
            self._turns.release()


def _read(url: str, deadline: float) -> bytes:
    """The body of a GET that follows nobody elsewhere and goes past any proxy."""
    try:
        status, body = _get(url, deadline)
    except (OSError, ValueError, HTTPException) as error:
        raise UnansweredError(f"Prometheus does not answer ({type(error).__name__})") from error
    if status != 200:
        raise UnansweredError(f"Prometheus answered {status}")
    if len(body) > MAX_ANSWER_BYTES:
        raise _TooMuchError
    return body


def _get(url: str, deadline: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_left(deadline))
    with contextlib.closing(connection):
        connection.connect()
        # A timeout of a socket begins anew with each piece that arrives; the end of it does not.
        end = threading.Timer(_left(deadline), _hang_up, [connection.sock])
        end.start()
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER_BYTES + 1)
        finally:
            end.cancel()
        _left(deadline)
        return answer.status, body


def _left(deadline: float) -> float:
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _hang_up(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
