"""The server's own counters before and after a run, as its /metrics shows them."""

import re
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

SECONDS = 10.0
_SERIES = re.compile(r"((?:llm_[a-z0-9_]+|process_start_time_seconds)(?:\{.*\})?) (\S+)$")
_LEFT_OUT = ("_bucket", "_created")
_OPENER = build_opener(ProxyHandler({}))


def read(url: str) -> dict[str, float] | None:
    """Our series by their text, without buckets, and the process's start; None: nobody answers."""
    try:
        with _OPENER.open(url, timeout=SECONDS) as answer:
            text = answer.read().decode()
    except (OSError, HTTPException):
        return None
    return dict(_series(text))


def _series(text: str) -> list[tuple[str, float]]:
    found = [_SERIES.match(line) for line in text.splitlines()]
    return [
        (match[1], float(match[2]))
        for match in found
        if match and not match[1].partition("{")[0].endswith(_LEFT_OUT)
    ]


def in_flight(counters: dict[str, float]) -> float:
    """Requests that the server has not yet recorded."""
    name = "llm_requests_in_flight"
    return sum(value for series, value in counters.items() if series.partition("{")[0] == name)
