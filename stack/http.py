"""Small HTTP helpers on loopback: text or JSON out, no proxies."""

import json
import urllib.error
import urllib.request
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(url: str, timeout: float = 2.0) -> bool:
    """True when the URL answers 2xx within the timeout in seconds."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, ValueError):
        return False


def get_text(url: str, timeout: float = 5.0, accept: str = "text/plain") -> str | None:
    """The body of a GET, or None when the URL does not answer with 2xx text."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError, urllib.error.HTTPError):
        return None


def get_json(url: str, timeout: float = 5.0) -> Any:
    """The JSON body of a GET, or None when the URL does not answer with 2xx JSON."""
    text = get_text(url, timeout, "application/json")
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None
