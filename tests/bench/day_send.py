"""Sends what the server would have sent through the Collector, and waits until it has arrived."""

import time
from collections.abc import Iterable
from typing import Protocol

from server.record.request import RequestRecord
from stack.errors import Fault
from stack.evidence.scrape import scrape
from stack.say import Ticker

COLLECTOR = "http://127.0.0.1:4318"
_METRICS = "http://127.0.0.1:8888/metrics"
_BATCH = 500
"""Requests whose records, or spans, are sent together."""
_MOST_WAITING = 64 * 2**20
"""Bytes in the Collector's queue of an exporter above which no more is sent."""
_PATIENCE_SECONDS = 1800.0
_SEE = "see otel-collector.log in the folder's logs/"
_LOST = ("send_failed", "enqueue_failed", "receiver_failed")
"""What the Collector refuses is not lost: it is sent again."""


class Source(Protocol):
    """Makes what is sent of a request."""

    def add(self, record: RequestRecord) -> None:
        """Make it."""

    def send(self) -> bool:
        """Send all that was made; False when it was not taken."""


def send(
    records: Iterable[RequestRecord], source: Source, expected: int, shown: Ticker, pace: float
) -> int:
    """Send every request's and wait for their arrival; returns how many requests that were.

    `pace` is the most requests a second. Raises Fault when the Collector takes no more.
    """
    sent, what, started = 0, shown.label, time.monotonic()
    for record in records:
        source.add(record)
        sent += 1
        if sent % _BATCH == 0:
            _deliver(source)
            shown.label = f"{what}, {sent / expected:.0%} sent"
            _wait(_MOST_WAITING)
            time.sleep(max(0.0, started + sent / pace - time.monotonic()))
    _deliver(source)
    shown.label = f"{what}, all sent, on their way through the Collector"
    _wait(0)
    return sent


def _deliver(source: Source) -> None:
    if not source.send():
        raise Fault("the Collector takes no more", _SEE)


def _wait(most: float) -> None:
    """Wait until no queue of the Collector holds more bytes."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while waiting() > most:
        if time.monotonic() > until:
            raise Fault("a store does not take what the Collector holds", "see the store's log")
        time.sleep(0.2)


def waiting() -> float:
    """Bytes in the fullest of the Collector's queues; raises Fault when it does not answer."""
    samples = scrape(_METRICS)
    if samples is None:
        raise Fault("the Collector does not answer", _SEE)
    queues = [one.value for one in samples if one.name == "otelcol_exporter_queue_size"]
    return max(queues, default=0.0)


def lost() -> dict[str, float]:
    """What the Collector says that it lost, by metric."""
    found: dict[str, float] = {}
    for one in scrape(_METRICS) or ():
        if one.value and any(word in one.name for word in _LOST):
            found[one.name] = found.get(one.name, 0.0) + one.value
    return found
