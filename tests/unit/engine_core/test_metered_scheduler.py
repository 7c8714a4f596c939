"""The meter inside vLLM's real schedulers: what it reads is there, and nothing breaks serving."""

import os
import random
import threading
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.request import RequestStatus

from server.engine_core.metered_scheduler import (
    MeteredAsyncScheduler,
    MeteredScheduler,
    device_name,
)
from server.engine_core.step_model_file import FILE
from server.storage import durable
from server.wire.report import KEY, Report, decode
from tests.unit import schedulers

PATIENCE = 60.0
"""Seconds for what has to come about; less would ask how fast the disk is."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LLM_SERVER_STATE_DIR", str(tmp_path))

    def made(kind: type[Scheduler], batch: int = 8, blocks: int = 2000, chunk: int = 64) -> Any:
        return schedulers.make(kind, schedulers.config(tmp_path, batch, chunk), blocks)

    return made


def reports(outputs: dict[int, EngineCoreOutputs]) -> Iterator[Report]:
    for output in outputs.values():
        stats = output.scheduler_stats
        if stats is not None and stats.kv_connector_stats is not None:
            yield decode(stats.kv_connector_stats[KEY])


class Account:
    """Holds every report of one engine against the clock."""

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()
        self.prefill: Counter[str] = Counter()
        self.decode: Counter[str] = Counter()
        self.settled: list[str] = []

    def take(self, outputs: dict[int, EngineCoreOutputs]) -> None:
        for report in reports(outputs):
            for each in report.settlements:
                self.settled.append(each.request_id)
                self.used[each.request_id] += each.nanoseconds
                self.prefill[each.request_id] += each.prefill_tokens
                self.decode[each.request_id] += each.decode_tokens
            wall = report.cursor - report.origin
            assert wall == report.idle + report.stall + sum(self.used.values()) + report.open


def test_a_request_is_settled_with_the_tokens_it_computed(make: Any) -> None:
    scheduler, account = make(MeteredScheduler), Account()
    schedulers.add(scheduler, "long", prompt=150, answer=4)
    schedulers.add(scheduler, "short", prompt=10, answer=6)
    for _ in range(20):
        account.take(schedulers.step(scheduler))
    assert account.prefill == {"long": 150, "short": 10}
    # The last token of an answer is sampled and never computed.
    assert account.decode == {"long": 3, "short": 5}
    assert sorted(account.settled) == ["long", "short"]


def test_an_abort_is_settled_and_so_is_what_never_ran(make: Any) -> None:
    scheduler, account = make(MeteredScheduler, batch=1), Account()
    schedulers.add(scheduler, "runs", prompt=10, answer=50)
    schedulers.add(scheduler, "waits", prompt=10, answer=50)
    for _ in range(3):
        account.take(schedulers.step(scheduler))
    scheduler.finish_requests(["runs", "waits"], RequestStatus.FINISHED_ABORTED)
    account.take(schedulers.step(scheduler))
    assert sorted(account.settled) == ["runs", "waits"]
    assert account.used["runs"] > account.used["waits"] == 0


def test_preemption_computes_again_and_pays_again(make: Any) -> None:
    # Two requests of up to 100 tokens, and room for 8 blocks of 16: one has to give way.
    scheduler, account = make(MeteredScheduler, blocks=9), Account()
    for name in ("a", "b"):
        schedulers.add(scheduler, name, prompt=40, answer=60)
    for _ in range(300):
        account.take(schedulers.step(scheduler))
    assert sorted(account.settled) == ["a", "b"]
    recomputed = sum(account.prefill.values()) - 80
    assert recomputed > 0, "nothing was preempted: this would check nothing"
    assert sum(account.decode.values()) == 2 * 59


def test_a_step_ahead_everything_is_still_somewhere_once(make: Any) -> None:
    scheduler, account = make(MeteredAsyncScheduler), Account()
    dice, ahead, names = random.Random(1), deque[Any](), 0
    for turn in range(400):
        if turn < 300 and dice.random() < 0.3:
            names += 1
            schedulers.add(scheduler, f"r{names}", dice.randint(1, 150), dice.randint(1, 30))
        if dice.random() < 0.05 and scheduler.requests:
            chosen = dice.choice(list(scheduler.requests))
            scheduler.finish_requests([chosen], RequestStatus.FINISHED_ABORTED)
        if scheduler.has_requests():
            ahead.append(schedulers.begin(scheduler))
        while len(ahead) > (1 if scheduler.has_requests() else 0):
            account.take(schedulers.end(scheduler, ahead.popleft()))
    assert sorted(account.settled) == sorted(f"r{n + 1}" for n in range(names))


def test_the_classes_are_vllms_own_kinds() -> None:
    # vLLM switches asynchronous scheduling off for what is no AsyncScheduler.
    assert issubclass(MeteredAsyncScheduler, AsyncScheduler)
    assert not issubclass(MeteredScheduler, AsyncScheduler)


@pytest.mark.parametrize("method", ["begin", "scheduled", "done", "report"])
def test_a_meter_that_fails_breaks_nothing_and_says_so(
    make: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    from server.engine_core import step_meter

    def fail(*_: object) -> None:
        raise RuntimeError("text of a prompt")

    scheduler = make(MeteredScheduler)
    schedulers.add(scheduler, "r", prompt=10, answer=3)
    monkeypatch.setattr(step_meter.StepMeter, method, fail)
    for _ in range(4):
        outputs = schedulers.step(scheduler)
    assert not scheduler.requests, "the request did not end"
    if method != "report":
        (report,) = reports(outputs)
        assert report.fault.startswith("RuntimeError in ")
        assert "prompt" not in report.fault


def test_what_was_learned_is_the_next_starts_prior(make: Any, tmp_path: Path) -> None:
    scheduler = make(MeteredScheduler)
    schedulers.add(scheduler, "r", prompt=10, answer=200)
    for _ in range(150):
        schedulers.step(scheduler)
    learned = scheduler._meter.model
    assert learned.version > 0
    assert scheduler._file.close(PATIENCE)
    assert (tmp_path / FILE).exists()
    model = make(MeteredScheduler)._meter.model
    assert (model.coefficients, model.version, model.fitted) == (learned.coefficients, 0, True)


@pytest.mark.parametrize("error", [28, 13, 30], ids=["ENOSPC", "EACCES", "EROFS"])
def test_a_disk_that_takes_nothing_costs_a_prior_and_no_device_time(
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: int,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(durable, "replace", refuse)
    scheduler, account = make(MeteredScheduler), Account()
    schedulers.add(scheduler, "r", prompt=10, answer=200)
    for _ in range(250):
        outputs = schedulers.step(scheduler)
        account.take(outputs)
    assert scheduler._meter.model.version > 0
    assert account.settled == ["r"]
    assert not scheduler._file.close(PATIENCE)
    assert caplog.text.count("it is a cache only") == 1


def test_a_disk_that_hangs_delays_no_step(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, hung, waited = threading.Event(), threading.Event(), list[bool]()

    def slow(*_: object) -> None:
        entered.set()
        waited.append(hung.wait(PATIENCE))

    monkeypatch.setattr(durable, "replace", slow)
    scheduler = make(MeteredScheduler)
    schedulers.add(scheduler, "r", prompt=10, answer=200)
    for _ in range(100):
        schedulers.step(scheduler)
    assert scheduler._meter.model.version > 0
    assert entered.wait(PATIENCE)
    for _ in range(50):
        schedulers.step(scheduler)
    assert waited == [], "a step came after the disk"
    hung.set()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cpu | x": [1, 2]}', '{"k": "v"}'])
def test_an_unreadable_memory_is_no_memory(make: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert not make(MeteredScheduler)._meter.model.fitted


def test_the_device_has_a_name() -> None:
    assert device_name()
