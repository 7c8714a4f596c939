"""A store is killed outright under load: no request fails, and little that it had is lost."""

import time
from collections.abc import Callable

import pytest

from stack.stores.protocol import LogRecord, NotFound, StoreError
from tests.conftest import run_stack
from tests.e2e.stores import last, stores
from tests.faults.load import answered, load
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
RATE, SECONDS, KILL_AFTER = 4.0, 22.0, 10.0
# Seconds of what it had acknowledged that a store may lose: what it keeps in memory alone.
LOSES = {"victorialogs": 2.0, "jaeger": 2.0, "loki": 0.0, "tempo": 20.0}
# The server hands on what it has twice a second, the Collector five times.
ON_THE_WAY = 1.5
SETTLE_SECONDS = 30.0


def _finished() -> dict[str, LogRecord]:
    found = stores().logs.events(("request_finished",), last(3))
    return {str(record.fields["trace_id"]): record for record in found}


def _ended(trace_id: str) -> float:
    """When the request ended in Unix seconds, by the store that was not killed."""
    spans = stores().traces.trace(trace_id)
    ends = [span.end_ns for span in spans if span.kind == "server"]
    if not ends:
        # Its client's span may come first.
        raise StoreError(f"the server's span of {trace_id} is still on its way")
    return ends[0] / 1e9


def _is_whole(record: LogRecord) -> bool:
    """True when the trace has its SERVER span, and its phases where there was an answer."""
    try:
        spans = stores().traces.trace(str(record.fields["trace_id"]))
    except NotFound:
        return False
    ours = [span for span in spans if span.service == "llm-server"]
    phases = sum(span.kind != "server" for span in ours)
    return len(ours) > phases and (phases == 5 or not record.fields["output_tokens"])


def _missing_logs(traces: set[str]) -> dict[str, float]:
    """When each request ended of which there is no record."""
    return {trace: _ended(trace) for trace in traces - set(_finished())}


def _missing_traces(traces: set[str]) -> dict[str, float]:
    """When each request ended whose trace is not whole."""
    records = {trace: record for trace, record in _finished().items() if trace in traces}
    if set(records) != traces:
        raise StoreError("records of some requests are still on their way")
    return {t: r.time_ns / 1e9 for t, r in records.items() if not _is_whole(r)}


MISSING = {"logs": _missing_logs, "traces": _missing_traces}


@pytest.mark.parametrize("victim", MISSING)
def test_a_killed_store_comes_back_and_loses_little(parts: Parts, victim: str) -> None:
    name, missing = parts.stands_for(victim), MISSING[victim]
    with load(parts.settings, RATE, SECONDS) as ends:
        time.sleep(KILL_AFTER)
        old = parts.end(name)
        killed = time.time()
        parts.wait_until_back(name, old)
    assert [end for end in ends if not end.provoked] == []
    traces = answered(ends)
    assert len(traces) > RATE * SECONDS / 2

    def late() -> dict[str, float]:
        earliest = killed - LOSES[name] - ON_THE_WAY
        return {t: at - killed for t, at in missing(traces).items() if not earliest < at < killed}

    # What came while it was away is delivered when it is back, by the Collector.
    until = time.monotonic() + SETTLE_SECONDS
    while not _settled(late) and time.monotonic() < until:
        time.sleep(1)
    assert late() == {}, "seconds between the kill and the end of a request that is lost"
    status = run_stack("status", STATE_DIR=str(parts.settings.state)).stdout
    assert f"records in {stores().logs.name}" in status
    assert_all_signals()


def _settled(late: Callable[[], dict[str, float]]) -> bool:
    try:
        return not late()
    except StoreError:
        return False
