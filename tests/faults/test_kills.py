"""Any one part is killed outright: it comes back by itself and nothing in flight goes uncounted."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest

from tests.conftest import run_stack
from tests.e2e.client import API, CHAT, Client, poll
from tests.e2e.stores import story, total
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
BACKENDS = ["prometheus", "alertmanager", "alertlog", "node-exporter"]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_killed_backend_comes_back(parts: Parts, name: str) -> None:
    parts.kill(name)
    assert_all_signals()


def _in_flight_while(kill: Callable[[], None]) -> str:
    """Kill something in the middle of a stream; return the stream's trace id."""
    body = {"messages": [{"role": "user", "content": "Go on"}], "max_tokens": 1500}
    body |= {"model": Client().model, "stream": True, "ignore_eos": True}
    with (
        httpx.Client(base_url=API, timeout=60, trust_env=False) as http,
        http.stream("POST", CHAT, json=body) as response,
    ):
        lines = response.iter_lines()
        next(lines)
        kill()
        with suppress(httpx.TransportError):
            assert '"finish_reason":"length"' not in "".join(lines), "it ended before the kill"
        return str(response.headers["x-trace-id"])


def _failed(reason: str) -> float:
    chosen = f'llm_requests_total{{outcome="server_error",reason="{reason}"}}'
    return total(f"sum(increase({chosen}[30m]))")


def _lost() -> float:
    return total('sum(increase(llm_bill_microdollars_total{job="llm-server", part="lost"}[30m]))')


@pytest.mark.parametrize(("victim", "reason"), [("engine", "engine_dead"), ("server", "killed")])
def test_what_was_in_flight_is_counted_with_its_outcome(
    parts: Parts, victim: str, reason: str
) -> None:
    server = parts.pid("server")
    target = parts.engine_core() if victim == "engine" else server
    before, lost = _failed(reason), _lost()
    trace_id = _in_flight_while(lambda: os.kill(target, signal.SIGKILL))
    parts.wait_until_back("server", server)
    finished = story(trace_id).finished
    assert (finished["outcome"], finished["reason"]) == ("server_error", reason)
    # Half: increase() extrapolates, and older kills leave its window.
    poll(f"the request counted as {reason}", lambda: _failed(reason) > before + 0.5)
    # What it had used is nobody's, and stays in the bill.
    poll("its device time in the bill as lost", lambda: _lost() > lost)
    assert_all_signals()
    audit = run_stack("cost-audit", STATE_DIR=str(parts.settings.state))
    assert audit.returncode == 0, audit.stdout
