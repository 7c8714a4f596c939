"""Kills parts of the running stack and waits for supervisord to bring them back."""

import os
import signal
from dataclasses import dataclass

import pytest

from stack.http import probe
from stack.native import family, supervisor
from stack.parts import lineup
from stack.parts.table import CORE, STORES
from stack.settings import Settings
from tests.e2e.client import Client, poll
from tests.e2e.ledger import Ledger
from tests.e2e.stores import exemplar, story

PROBES = {part.name: part.probe_url for part in (*CORE, *STORES.values())}
BACK_SECONDS = 600.0


@dataclass(frozen=True)
class Parts:
    """The supervised processes of one stack."""

    settings: Settings

    def pid(self, name: str) -> int:
        """The process id of a part."""
        running = supervisor.running(self.settings)
        if running is None:
            pytest.skip("compose supervises its own containers; these tests kill native processes")
        return running.processes()[name].pid

    def stands_for(self, name: str) -> str:
        """The part that runs: of a store that is named by its signal, the one of this stack."""
        runs = lineup.running(self.settings)
        return {"traces": runs.traces, "logs": runs.logs}.get(name, name)

    def engine_core(self) -> int:
        """The process id of vLLM's engine core."""
        return family.engine_core(self.pid("server"))

    def kill(self, name: str) -> None:
        """Kill a part outright and wait until supervisord has brought it back, healthy."""
        self.wait_until_back(name, self.end(name))

    def end(self, name: str) -> int:
        """Kill a part outright; the process id that it had."""
        old = self.pid(name)
        os.kill(old, signal.SIGKILL)
        return old

    def wait_until_back(self, name: str, old: int) -> None:
        """Wait for another process of this part that answers its probe."""
        what = f"{name} back after its kill"
        poll(what, lambda: self.pid(name) not in (0, old) and probe(PROBES[name]), BACK_SECONDS)


def assert_all_signals() -> None:
    """One more request leaves trace, log line, exemplar and exact cost, without help."""
    client = Client()
    ledger = Ledger.open(client.model, "ok")
    sent = client.chat("After the fault", max_tokens=20)
    assert sent.status == 200
    found = story(sent.trace_id)
    assert len(found.phases) == 5
    exemplar(sent)
    ledger.check(found.finished)
