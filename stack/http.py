"""Small HTTP helpers on loopback: text or JSON out, no proxies."""

import http.client
import json
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

REASON_CHARACTERS = 300
_MOST_BYTES = 65536
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(url: str, timeout: float = 2.0) -> bool:
    """True when the URL answers 2xx within the timeout in seconds."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, ValueError):
        return False


def refusal(url: str, timeout: float = 2.0) -> str | None:
    """None where the URL answers 2xx; else the `reason` that its JSON gives, "" where it has none.

    The reason is the first word of at most REASON_CHARACTERS: whatever is there, it is one cell.
    """
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return None if 200 <= answer.status < 300 else ""
    except urllib.error.HTTPError as error:
        with error, suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            said = json.loads(error.read(_MOST_BYTES)).get("reason")
            words = said.split() if isinstance(said, str) else []
            return "".join(filter(str.isprintable, "".join(words[:1])))[:REASON_CHARACTERS]
        return ""
    except (OSError, ValueError, http.client.HTTPException):
        return ""


UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an answer of another shape raises where it is read: something else is on that port."""


class Unanswered(Exception):  # noqa: N818, it says what happened
    """A URL that did not answer 2xx: its text names URL and reason, `status` is 0 without one."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def ask(url: str, timeout: float = 30.0, accept: str = "application/json") -> str:
    """The body of a GET; raises Unanswered with the server's reason."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    where = url.partition("?")[0]
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        reason = error.read().decode(errors="replace").strip()[:REASON_CHARACTERS]
        said = f"{where} refused the query ({error.code}): {reason}"
        raise Unanswered(said, error.code) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unanswered(f"{where} does not answer ({error})") from error


def answered(url: str, body: bytes | None = None, timeout: float = 5.0) -> tuple[int, str]:
    """Status and body of a GET, or of a POST of JSON; status 0 and why where nobody answers."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return int(answer.status), str(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, str(error)


def get_text(url: str, timeout: float = 5.0, accept: str = "text/plain") -> str | None:
    """The body of a GET, or None when the URL does not answer with 2xx text."""
    try:
        return ask(url, timeout, accept)
    except Unanswered:
        return None


def get_json(url: str, timeout: float = 5.0) -> Any:
    """The JSON body of a GET, or None when the URL does not answer with 2xx JSON."""
    text = get_text(url, timeout, "application/json")
    try:
        return None if text is None else json.loads(text)
    except (RecursionError, ValueError):
        return None
