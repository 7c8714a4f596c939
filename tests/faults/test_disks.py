"""A state folder that cannot be written: serving goes on and no money moves, killed or not."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from stack.drills.causes.cost import unwritable
from tests.conftest import run_stack
from tests.e2e.client import Client, poll
from tests.e2e.stores import samples, story, total
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
BILL = 'llm_bill_microdollars_total{job="llm-server"}'


@pytest.fixture
def folder(parts: Parts) -> Path:
    assert parts.pid("server")
    return parts.settings.state / "server"


def _audit(parts: Parts) -> None:
    done = run_stack("cost-audit", STATE_DIR=str(parts.settings.state))
    assert done.returncode == 0, done.stdout


def test_books_that_cannot_be_kept_stand_still_and_catch_up(parts: Parts, folder: Path) -> None:
    with unwritable(folder / "ledger.json"):
        poll("books that grow old", lambda: samples()["llm_ledger_age_seconds"] > 1)
        before = samples()["llm_bill_microdollars_total"]
        spent = samples()["llm_cost_microdollars_total"]
        sent = Client().chat("Where is the disk?", max_tokens=20)
        assert (sent.status, story(sent.trace_id).finished["outcome"]) == (200, "ok")
        assert samples()["llm_bill_microdollars_total"] == before
        assert samples()["llm_cost_microdollars_total"] > spent
    poll("books that are kept again", lambda: samples()["llm_ledger_age_seconds"] < 1)
    assert samples()["llm_bill_microdollars_total"] > before
    _audit(parts)


def test_killed_with_a_full_disk_nothing_is_counted_twice(parts: Parts, folder: Path) -> None:
    server, began = parts.pid("server"), time.time()
    with unwritable(folder / "ledger.json"):
        assert Client().chat("Last words", max_tokens=20).status == 200
        os.kill(server, signal.SIGKILL)
        parts.wait_until_back("server", server)
        restarted = time.time()
        assert_all_signals_but_the_books()
    poll("books that are kept again", lambda: samples()["llm_ledger_age_seconds"] < 1)
    last = 'timestamp(llm_bill_microdollars_total{job="llm-server",part="idle"})'
    poll("a scrape of the next process", lambda: total(last) > restarted)
    # A counter that falls is added once more from 0, by whoever sums over restarts.
    assert total(f"sum(resets({BILL}[{time.time() - began:.0f}s]))") == 0
    _audit(parts)
    assert_all_signals()


def assert_all_signals_but_the_books() -> None:
    sent = Client().chat("Without books", max_tokens=20)
    assert story(sent.trace_id).finished["gpu_cost_microdollars"] > 0


def test_a_journal_that_cannot_be_written_moves_no_tenants_cost(parts: Parts, folder: Path) -> None:
    server = parts.pid("server")
    before = resource.prlimit(server, resource.RLIMIT_FSIZE)
    strangers = samples(tenant="other").get("llm_tenant_gpu_cost_microdollars_total", 0.0)
    failed = samples(hook="journal").get("llm_observer_errors_total", 0.0)
    # No file of it may be written into: the kernel says EFBIG where a full disk says ENOSPC.
    resource.prlimit(server, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        line = story(Client().chat("No journal", max_tokens=20).trace_id).finished
    finally:
        resource.prlimit(server, resource.RLIMIT_FSIZE, before)
    assert (line["outcome"], line["gpu_cost_microdollars"] > 0) == ("ok", True)
    assert samples(hook="journal")["llm_observer_errors_total"] > failed
    after = samples(tenant="other").get("llm_tenant_gpu_cost_microdollars_total", 0.0)
    assert after == strangers
    assert_all_signals()
    _audit(parts)


def test_a_second_server_on_the_same_folder_is_refused(folder: Path) -> None:
    poll("the lock of the server", lambda: (folder / "lock").exists())
    from server.settings import SettingsError
    from server.storage.state_dir import StateDir

    with pytest.raises(SettingsError, match="another server uses"):
        StateDir(folder, 0.0)
