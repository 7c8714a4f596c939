"""The end of a process: within its budget whatever the Collector does, and nothing uncounted."""

import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from pathlib import Path
from unittest.mock import Mock

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource

from server import assembly, leaving
from server.assembly import Parts
from server.leaving import End, Leaving
from server.signals import exposition, logs, otlp
from server.signals.otlp import CountingLogProcessor, CountingSpanProcessor, ItemCounts
from server.signals.tracing import Tracing
from tests.unit.helpers import Clock, delta, hook_failures, record

REPO = Path(__file__).resolve().parents[3]
BUDGET = 1.0
PATIENCE = 60.0
"""Seconds that every end here is well within; one export may last ten times as long."""
ITEMS = 600


@pytest.fixture(autouse=True)
def exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is waited for is told from a machine that is slow."""
    monkeypatch.setattr(otlp, "EXPORT_SECONDS", 10 * PATIENCE)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(leaving, "time", found)
    return found


@pytest.fixture(name="mute")
def _mute() -> Iterator[str]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(name="closed")
def _closed() -> str:
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def made(endpoint: str) -> tuple[CountingSpanProcessor, CountingLogProcessor]:
    """Pipelines with 600 spans and 600 log records that wait."""
    spans = CountingSpanProcessor(otlp.span_exporter(endpoint), ItemCounts("spans"))
    lines = CountingLogProcessor(otlp.log_exporter(endpoint), ItemCounts("logs"))
    tracing = Tracing(Resource({}), spans)
    for _ in range(ITEMS // 6):
        tracing.finish(tracing.start("x", {}, 1), record(), None)
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
    provider.add_log_record_processor(lines)
    for _ in range(ITEMS):
        provider.get_logger("x").emit(body="x")
    return spans, lines


def counts(signal_name: str) -> dict[str, Callable[[], float]]:
    return {
        result: delta("llm_telemetry_items_total", signal=signal_name, result=result)
        for result in ("made", "delivered", "failed", "dropped")
    }


@pytest.mark.parametrize("far_end", ["mute", "closed"])
def test_the_end_keeps_its_budget_and_counts_what_it_lost(
    request: pytest.FixtureRequest, far_end: str
) -> None:
    grown = {name: counts(name) for name in ("spans", "logs")}
    ways = made(request.getfixturevalue(far_end))
    time.sleep(0.7)
    began = time.monotonic()
    lost = otlp.end(ways, BUDGET)
    assert time.monotonic() - began < PATIENCE
    found = {name: {what: each() for what, each in of.items()} for name, of in grown.items()}
    for each in found.values():
        assert each["made"] == ITEMS
        assert each["delivered"] == 0
        assert each["failed"] + each["dropped"] == ITEMS
    assert lost == sum(each["dropped"] for each in found.values())


def test_a_batch_that_comes_back_after_the_end_is_not_counted_twice(mute: str) -> None:
    grown = counts("spans")
    spans, _ = made(mute)
    otlp.end([spans], 0.1)
    spans._counts.settle(ITEMS, delivered=True)
    assert grown["delivered"]() == 0
    assert spans._counts.admit() is False
    assert grown["made"]() == grown["dropped"]() == ITEMS + 1


def test_what_can_be_delivered_at_the_end_is() -> None:
    ended: list[str] = []
    way = Mock(shutdown=lambda: ended.append("shutdown"), give_up=lambda: 0)
    assert otlp.end([way, way], PATIENCE) == 0
    assert ended == ["shutdown", "shutdown"]


def test_signals_end_side_by_side() -> None:
    # Nobody passes before all four are there.
    together, passed = threading.Barrier(4), list[int]()
    way = Mock(shutdown=lambda: passed.append(together.wait(PATIENCE)), give_up=lambda: 0)
    assert otlp.end([way] * 4, 2 * PATIENCE) == 0
    assert sorted(passed) == [0, 1, 2, 3]


def test_signals_end_no_later_than_the_budget() -> None:
    free, waited = threading.Event(), list[bool]()
    way = Mock(shutdown=lambda: waited.append(free.wait(PATIENCE)), give_up=lambda: 2)
    assert otlp.end([way] * 4, 0.3) == 8
    assert waited == [], "the end came after a signal's"
    free.set()


def test_a_budget_is_spent_once_and_never_negative(clock: Clock) -> None:
    end = End(died=False, seconds=8.0)
    assert end.left() == 8.0
    clock.now += 6.0
    assert (end.left(), end.left(keep=0.5), end.left(keep=5.0)) == (2.0, 1.5, 0.0)
    clock.now += 3.0
    assert end.left() == 0.0


def test_last_words_are_said_in_reverse_and_none_keeps_another_from_its_turn() -> None:
    said: list[str] = []
    whole = Leaving()
    whole.add(lambda _: said.append("first made"))
    whole.add(lambda _: 1 // 0)
    whole.add(lambda end: said.append(f"died {end.died}"))
    end = End(died=True)
    with hook_failures("leaving", 1):
        whole.leave(end)
    assert said == ["died True", "first made"]
    assert end.noted > 0, "the last scrape does not wait for the failure's count"


@pytest.mark.parametrize(("lost", "died"), [(0, False), (3, False), (0, True)])
def test_the_last_scrape_has_what_is_left_and_sees_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, lost: int, died: bool
) -> None:
    asked: list[tuple[float, float]] = []
    budgets: list[float] = []

    def send(_ways: object, seconds: float) -> int:
        budgets.append(seconds)
        clock.now += 9.5
        return lost

    monkeypatch.setattr(logs, "way_out", lambda _pid: None)
    monkeypatch.setattr(assembly.otlp, "end", send)
    whole = Mock(_spans=None)
    whole.exposition.wait_for_scrapers = lambda since, seconds: asked.append((since, seconds))
    end = End(died)
    end.note(5.0)
    assembly._close_books(Mock(), end)
    Parts._send_what_waits(whole, end)
    Parts._await_last_scrape(whole, end)
    assert budgets == [leaving.SECONDS - exposition.LAST_SCRAPE_SECONDS]
    ((since, seconds),) = asked
    assert (since == 5.0) == (not lost and not died)
    assert seconds == leaving.SECONDS - 9.5


def test_the_waits_fit_into_the_budget_and_the_budget_before_the_kill() -> None:
    assert leaving.SECONDS - exposition.LAST_SCRAPE_SECONDS >= 5
    native = RawConfigParser()
    native.read(REPO / "native" / "supervisord.conf")
    compose = (REPO / "compose.yaml").read_text()
    stop = int(native["program:server"]["stopwaitsecs"])
    (grace,) = re.findall(r"last spans and logs leave.\n  stop_grace_period: (\d+)s", compose)
    # The engine ends first; what it runs has as long as it needs for one step.
    assert min(stop, int(grace)) >= leaving.SECONDS + logs.CHILD_SECONDS + 30


CHILD = """
import logging, multiprocessing, time
from server.signals import logs, otlp

otlp.EXPORT_SECONDS = 600

def work():
    logging.getLogger("vllm").addHandler(logs.OtlpHandler())
    for _ in range(600):
        logging.getLogger("vllm").warning("x")
    time.sleep(0.7)

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    print(child.exitcode)
"""


def test_a_child_ends_while_the_collector_is_mute(mute: str) -> None:
    code = f"import sys; sys.argv=['x']\n{textwrap.dedent(CHILD)}"
    env = {**os.environ, "PYTHONPATH": str(REPO), "LLM_SERVER_OTLP_ENDPOINT": mute}
    made = [sys.executable, "-c", code]
    done = subprocess.run(made, cwd=REPO, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "0", done.stderr
