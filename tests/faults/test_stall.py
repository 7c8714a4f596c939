"""The engine core is stopped while requests run: not ready, written down once, then all well."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from stack.stores.protocol import LogRecord, Window
from tests.e2e.client import API, Client, Exchange, poll
from tests.e2e.stores import samples, stores, story
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
TOKENS = 600
PROMPT = "words-of-a-caller"
EVENTS = ("engine_stalled", "engine_recovered")


def _ask(path: str) -> tuple[int, dict[str, object]]:
    answer = httpx.get(f"{API}{path}", timeout=10, trust_env=False)
    return answer.status_code, answer.json() if answer.content else {}


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _send(streams: bool) -> Exchange:
    return Client().chat(PROMPT, max_tokens=TOKENS, ignore_eos=True, stream=streams)


def _written(since: float) -> list[LogRecord]:
    return stores().logs.events(EVENTS, Window(since, time.time() + 60))


def _in_the_engine() -> bool:
    return samples().get("vllm:num_requests_running", 0.0) == 2


def test_a_stopped_engine_is_not_ready_and_its_stall_is_written_down_once(parts: Parts) -> None:
    core, began = parts.engine_core(), time.time()
    assert _ask("/ready") == (200, {"ready": True})
    with ThreadPoolExecutor(2) as pool:
        sent: list[Future[Exchange]] = [pool.submit(_send, streams) for streams in (True, False)]
        poll("both requests in the engine", _in_the_engine)
        with _stopped(core):
            status, said = poll("503 of /ready", _unready)
            assert (status, said["reason"]) == (503, "engine_stalled")
            assert _ask("/health")[0] == 200
            assert samples(reason="engine_stalled")["llm_server_not_ready"] == 1
            assert samples()["llm_server_not_ready"] == 1
        poll("a server that is ready again", lambda: _ask("/ready")[0] == 200)
        answers = [each.result(120) for each in sent]
    assert [answer.status for answer in answers] == [200, 200]
    assert [answer.usage["completion_tokens"] for answer in answers] == [TOKENS, TOKENS]
    assert samples()["llm_server_not_ready"] == 0
    poll("both events in the store", lambda: {each.event for each in _written(began)} == {*EVENTS})
    assert [each.event for each in _written(began)].count("engine_stalled") == 1
    _check(parts, {each.event: each for each in _written(began)}, answers)
    assert_all_signals()


def _unready() -> tuple[int, dict[str, object]] | None:
    found = _ask("/ready")
    return found if found[0] == 503 else None


def _check(parts: Parts, told: dict[str, LogRecord], answers: list[Exchange]) -> None:
    stalled, recovered = told["engine_stalled"], told["engine_recovered"]
    assert 20 <= float(str(stalled.fields["silent_seconds"])) < 30
    assert float(str(recovered.fields["silent_seconds"])) >= 20
    assert stalled.fields["engine_requests"] == 2
    for answer in answers:
        assert answer.trace_id in str(stalled.fields["trace_ids"])
        assert answer.trace_id in stalled.text
    assert f"(pid {parts.engine_core()})" in str(stalled.fields["silent_processes"])
    assert "state T (stopped), wait channel " in stalled.text
    assert "server/launcher.py" in stalled.text, "the API process answers for itself"
    assert PROMPT not in repr(told)
    assert story(answers[0].trace_id).finished["outcome"] == "ok"
