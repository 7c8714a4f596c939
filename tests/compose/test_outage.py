"""All three stores stopped for a minute under load: no span, no log line, no count is lost."""

import time
from collections import Counter

import pytest

from stack.settings import Settings
from tests.compose.books import (
    SECOND_WITNESS,
    Books,
    finished_records,
    refused_by_the_collector,
)
from tests.compose.docker import containers
from tests.compose.engine import docker
from tests.compose.runs import LOGS, TRACES
from tests.e2e.client import Client, poll
from tests.e2e.stores import Story, samples, story, total
from tests.e2e.test_one_request import PHASES
from tests.faults.load import answered, load

STORES = (TRACES, LOGS, "prometheus")
AWAY_SECONDS, CATCH_UP_SECONDS = 60, 60.0
LOAD_SECONDS, RATE = 70.0, 2.0
Outage = tuple[float, Books, list[str]]


def _take_stores_away(stack: Settings) -> None:
    ids = [containers(stack)[name].id for name in STORES]
    docker("stop", *ids)
    time.sleep(AWAY_SECONDS)
    docker("start", *ids)


@pytest.fixture(scope="module")
def outage(stack: Settings) -> Outage:
    """When it began, the books before, and the trace of every request that was answered."""
    assert Client().chat("Warm").status == 200
    time.sleep(1)
    started, before = time.time(), Books.open()
    poll("a settled second witness", _settled)
    with load(stack, RATE, LOAD_SECONDS) as ends:
        _take_stores_away(stack)
    # Those that hung up are still unwinding when their clients are gone.
    poll("nothing in flight", lambda: samples()["llm_requests_in_flight"] == 0)
    return started, before, sorted(answered(ends))


def _settled() -> float | None:
    """The span metrics, once they have counted every request that the server counts."""
    seen = total(SECOND_WITNESS)
    return seen if seen == samples()["llm_requests_total"] else None


def test_every_request_has_one_log_line(outage: Outage) -> None:
    started, before, answered = outage
    made = round(Books.open().requests - before.requests)
    assert made > len(answered) > LOAD_SECONDS * RATE / 2

    def all_there() -> bool:
        return len(finished_records(started)) >= made

    poll("all records in the store", all_there, CATCH_UP_SECONDS)
    lines = Counter(finished_records(started))
    assert [trace for trace in answered if lines[trace] != 1] == []
    assert lines.total() == len(lines) == made


def _gaps(found: Story) -> list[str]:
    """The phases that do not end where the next begins, or the whole span ends."""
    begins = [phase.start_ns for phase in found.phases[1:]] + [found.server.end_ns]
    pairs = zip(found.phases, begins, strict=False)
    return [phase.name for phase, begin in pairs if abs(begin - phase.end_ns) > 1000]


def test_every_request_has_every_span(outage: Outage) -> None:
    started, _, answered = outage
    traces = finished_records(started)
    assert set(answered) <= set(traces)
    for trace in traces:
        found = story(trace)
        if found.finished["output_tokens"]:
            assert [phase.name for phase in found.phases] == PHASES
        assert not _gaps(found), f"a span of {trace} is missing"


def test_nobody_says_that_something_was_lost(outage: Outage) -> None:
    assert Books.open().lost == outage[1].lost
    assert refused_by_the_collector() == 0


def test_prometheus_resumes_with_counters_whole(outage: Outage) -> None:
    expected = samples()["llm_requests_total"]
    poll("the server's count", lambda: total("sum(llm_requests_total)") == expected)
    assert total("sum(resets(llm_requests_total[5m]))") == 0
    # What came through the Collector waited there, and no request is missing from it.
    poll("the second witness", lambda: total(SECOND_WITNESS) == expected, CATCH_UP_SECONDS)
