"""Endings: what has ended is told of once, together, soon, and before anybody reads the numbers."""

import asyncio
import datetime
import http.client
import logging
import threading
import time
from decimal import Decimal
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry

from server import assembly
from server.assembly import Parts
from server.gateway import middleware
from server.leaving import End, Leaving
from server.ledger.calendar import Periods
from server.pricing.budgets import Budgets
from server.record.request import Outcome
from server.requests.endings import MOST, TURN, Ending, Endings
from server.requests.lifecycle import Observer
from server.signals import hook_errors, red
from server.signals.exposition import Exposition
from tests.unit.asgi import Client, Inner, Install, gate
from tests.unit.helpers import delta, hook_failures, record, settings
from tests.unit.logged import Lines, lines_of

LONG, PATIENCE = 600.0, 30.0
"""Seconds that nobody waits for, and seconds for what has to come about."""


def observer() -> Observer:
    assert middleware._gate is not None
    return middleware._gate.observer


def ending(number: int = 0) -> Ending:
    live = gate().begin("POST", "/v1/completions", {})
    return Ending(live, record(trace_id=f"{number:032x}"), None, probe=False, at=0.0)


def test_without_a_wait_an_ending_is_told_of_at_once() -> None:
    told: list[Ending] = []
    Endings(told.append, 0.0).add(ending())
    assert len(told) == 1


async def test_what_ends_waits_and_is_told_of_in_order_once() -> None:
    told: list[Ending] = []
    endings, three = Endings(told.append, LONG), [ending(n) for n in range(3)]
    for each in three:
        endings.add(each)
    assert told == []
    endings.flush()
    endings.flush()
    assert told == three


async def test_nobody_has_to_ask() -> None:
    told = asyncio.Event()
    Endings(lambda _: told.set(), 0.001).add(ending())
    await asyncio.wait_for(told.wait(), PATIENCE)


async def test_the_loop_looks_after_its_streams_between_turns() -> None:
    told: list[Ending] = []
    endings, seen = Endings(told.append, 0.001), set[int]()
    for number in range(5 * TURN):
        endings.add(ending(number))
    until = time.monotonic() + PATIENCE
    while len(told) < 5 * TURN and time.monotonic() < until:
        seen.add(len(told))
        await asyncio.sleep(0)
    assert {n * TURN for n in range(1, 5)} <= seen


async def test_in_a_flood_no_more_wait_than_are_recorded_soon() -> None:
    told: list[Ending] = []
    endings = Endings(told.append, LONG)
    for number in range(MOST + 10):
        endings.add(ending(number))
    assert len(told) == 10
    endings.flush()
    assert len(told) == MOST + 10


async def test_a_thread_that_tells_keeps_no_request_waiting_and_takes_none_twice() -> None:
    entered, free, told = threading.Event(), threading.Event(), list[Ending]()

    def tell(each: Ending) -> None:
        told.append(each)
        entered.set()
        free.wait(PATIENCE)

    endings, both = Endings(tell, 0.001), [ending(1), ending(2)]
    endings.add(both[0])
    reader = threading.Thread(target=endings.flush)
    reader.start()
    assert await asyncio.to_thread(entered.wait, PATIENCE)
    endings.add(both[1])
    await asyncio.sleep(0.05)
    assert told == both[:1]
    free.set()
    until = time.monotonic() + PATIENCE
    while told != both and time.monotonic() < until:
        await asyncio.sleep(0.001)
    reader.join(PATIENCE)
    assert told == both


def test_a_page_of_metrics_has_what_ended_before_it_was_asked_for() -> None:
    exposition = Exposition(settings(metrics_port=0))
    exposition.before_each(lambda: red.observe(record(model="ended")))
    connection = http.client.HTTPConnection("127.0.0.1", exposition._server.server_port)
    for page in (1, 2):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        assert f'llm_tokens_total{{kind="output",model="ended"}} {page * 20.0}' in text


def test_the_books_are_closed_after_the_last_request_stands_in_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    keeper = Mock(close=lambda *_: said.append("books closed"))
    observer = Mock(flush=lambda: said.append("requests recorded"), last_record=5.0)
    monkeypatch.setattr(assembly, "REGISTRY", CollectorRegistry())
    monkeypatch.setattr(assembly, "Bookkeeper", lambda *_: keeper)
    monkeypatch.setattr(assembly.nvml, "collector", lambda: None)
    parts = Mock(leaving=Leaving(), periods=Periods(), budgets=Budgets())
    Parts.keep_books(parts, observer, Mock(measured=False))
    parts.exposition.before_each.assert_called_once_with(observer.flush)
    end = End(died=False)
    parts.leaving.leave(end)
    assert said == ["requests recorded", "books closed"]
    assert end.noted == 5.0


async def test_what_fails_meanwhile_is_logged_with_the_ids_of_its_request(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(together_seconds=LONG)
    client, lines = Client(Inner()), Lines("server.signals.hook_errors")
    monkeypatch.setattr(hook_errors, "_seen", set())
    monkeypatch.setattr(red, "observe", Mock(side_effect=ValueError))
    await client.call()
    with hook_failures("red", 1):
        observer().flush()
    lines.close()
    assert lines.one()["trace_id"] == client.headers["x-trace-id"]


async def test_a_line_bears_the_time_of_the_end(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(together_seconds=LONG)
    await Client(Inner()).call()
    ended = time.time()
    with lines_of("server.requests") as lines:
        monkeypatch.setattr(logging.time, "time", lambda: ended + LONG)
        observer().flush()
    told = datetime.datetime.fromisoformat(lines.one()["timestamp"]).timestamp()
    assert ended - PATIENCE < told <= ended


async def test_what_is_spent_is_of_the_moment_of_the_end(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(together_seconds=LONG, costs=Mock(cost=lambda _: Decimal(5)))
    await Client(Inner()).call()
    assert observer()._periods.spent("day") == 5000


async def test_a_request_is_told_of_by_nobody_until_then_and_by_all_at_once(
    install: Install,
) -> None:
    records = install(together_seconds=LONG)
    flying = delta("llm_requests_in_flight", model="tiny-llama")
    await Client(Inner()).call()
    assert (records, flying()) == ([], 0.0)
    before = time.monotonic()
    observer().flush()
    assert [each.outcome for each in records] == [Outcome.OK]
    assert observer().last_record >= before
