"""Requests that the server counted beside the records of them that the log store holds."""

import time
from dataclasses import dataclass
from urllib.parse import quote

from stack.evidence.scrape import scrape, total
from stack.http import get_json
from stack.request.signals import PROMETHEUS
from stack.stores.protocol import LogStore, StoreError, Window

LONGEST_SECONDS = 3600.0
"""A longer time than this is not looked at: a store may read all of its records for it."""
ON_THE_WAY_SECONDS = 3.0
"""What ended within it may still be between the server and the store."""


@dataclass(frozen=True)
class Recorded:
    """Requests counted and records found over the last `seconds`; `exact` since the start."""

    seconds: float
    counted: int
    found: int
    exact: bool


def _counted_until(moment: float) -> float | None:
    """The server's count at a past Unix time, as Prometheus last scraped it."""
    query = quote('sum(llm_requests_total{job="llm-server"})')
    answer = get_json(f"{PROMETHEUS}/api/v1/query?query={query}&time={moment:.3f}")
    rows = answer["data"]["result"] if answer else []
    return float(rows[0]["value"][1]) if rows else None


def look(store: LogStore) -> Recorded | str:
    """Both numbers, or in words why there are none."""
    samples = scrape()
    if samples is None:
        return "the server does not answer"
    now, counted = time.time(), total(samples, "llm_requests_total")
    started = total(samples, "process_start_time_seconds")
    since = max(started, now - LONGEST_SECONDS)
    before = 0.0 if since == started else _counted_until(since)
    if before is None:
        return "Prometheus has no count of an hour ago"
    try:
        found = store.count("request_finished", Window(since, now + 60))
    except StoreError as error:
        return str(error)
    return Recorded(now - since, round(counted - before), found, exact=since == started)


def settled(store: LogStore) -> Recorded | str:
    """The same, once what was on its way had the time to arrive."""
    until = time.monotonic() + ON_THE_WAY_SECONDS
    while True:
        seen = look(store)
        if isinstance(seen, str) or seen.found >= seen.counted or time.monotonic() > until:
            return seen
        time.sleep(0.5)
