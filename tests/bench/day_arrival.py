"""Has the day arrived? Its log records are counted, some of its traces looked up."""

import time
import urllib.request
from collections.abc import Iterable, Sequence

from server.record.request import RequestRecord
from stack.errors import Fault
from stack.parts.lineup import LineUp
from stack.request.signals import poll
from stack.stores.protocol import LogStore, StoreError, TraceStore, Window
from stack.stores.running import LOGS, TRACES
from tests.bench import day_send
from tests.bench.day_requests import Plan, requests

_FLUSH = {"loki": "http://127.0.0.1:3100/flush", "tempo": "http://127.0.0.1:3200/flush"}
"""Where a store is told to write what it keeps in memory, as it has of a day that went by."""
_STRIDE = 997
"""Every so many requests one trace is asked for."""
_PATIENCE_SECONDS = 60.0


def check(runs: LineUp, plan: Plan) -> str:
    """What was found, in words; raises Fault when anything that was sent is not there."""
    if lost := day_send.lost():
        raise Fault(f"the Collector lost some of it: {lost}", "see the stores' logs")
    records = list(requests(plan))
    counted = _count(LOGS[runs.logs](), len(records), Window(plan.start, plan.end + 1))
    some = records[::_STRIDE]
    missing = _missing(TRACES[runs.traces](), some)
    if counted != len(records) or missing:
        found = f"{counted} of {len(records)} log records, {missing} of {len(some)} traces missing"
        raise Fault(f"not all has arrived: {found}", "see the stores' logs")
    return f"found all {counted:,} log records and {len(some)} of {len(some)} traces looked up"


def _count(store: LogStore, expected: int, window: Window) -> int:
    def look() -> int | None:
        found = store.count("request_finished", window)
        return found if found == expected else None

    found = poll(look, _PATIENCE_SECONDS)
    return store.count("request_finished", window) if found is None else found


def _missing(store: TraceStore, some: Iterable[RequestRecord]) -> int:
    """How many of the traces are not there whole, after _PATIENCE_SECONDS."""
    missing, until = list(some), time.monotonic() + _PATIENCE_SECONDS
    while missing := [one for one in missing if not _is_whole(store, one)]:
        if time.monotonic() > until:
            break
        time.sleep(1)
    return len(missing)


def _is_whole(store: TraceStore, record: RequestRecord) -> bool:
    try:
        return len(store.trace(record.trace_id)) == 1 + len(record.phases)
    except StoreError:
        return False


def flush(stores: Sequence[str]) -> None:
    """Have the stores write to disk what they would have written in a day."""
    for url in (_FLUSH[name] for name in stores if name in _FLUSH):
        request = urllib.request.Request(url, method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
