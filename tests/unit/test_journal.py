"""Journal: what a killed process had in flight is found once by the next one."""

import json
import logging
from pathlib import Path

import pytest

from server.journal import Journal
from server.live import LiveRequest
from server.record import Operation, Outcome, Usage
from tests.unit.helpers import SPAN_ID, STARTED_NS, TRACE_ID


def live(span_id: str = SPAN_ID) -> LiveRequest:
    request = LiveRequest(
        TRACE_ID, span_id, "POST", "/v1/completions", Operation.TEXT_COMPLETION,
        tenant="acme", model="tiny-llama", stream=True, accepted=True,
    )  # fmt: skip
    request.started_ns = STARTED_NS
    return request


def files(state_dir: Path) -> list[str]:
    return sorted(path.name for path in (state_dir / "in-flight").iterdir())


def test_a_killed_process_leaves_its_requests_to_the_next(tmp_path: Path) -> None:
    Journal(tmp_path).begin(live())
    found = list(Journal(tmp_path).leftovers())
    assert len(found) == 1
    lost = found[0]
    assert (lost.trace_id, lost.span_id) == (TRACE_ID, SPAN_ID)
    assert (lost.tenant, lost.model, lost.stream) == ("acme", "tiny-llama", True)
    assert (lost.method, lost.route) == ("POST", "/v1/completions")
    assert lost.operation is Operation.TEXT_COMPLETION
    assert (lost.outcome, lost.reason, lost.error_type) == (
        Outcome.SERVER_ERROR,
        "killed",
        "killed",
    )
    assert lost.started_ns == STARTED_NS
    assert (lost.duration_seconds, lost.status_code, lost.usage) == (None, None, Usage())


def test_a_leftover_is_found_once(tmp_path: Path) -> None:
    Journal(tmp_path).begin(live())
    assert len(list(Journal(tmp_path).leftovers())) == 1
    assert list(Journal(tmp_path).leftovers()) == []
    assert files(tmp_path) == []


def test_a_recorded_request_leaves_nothing(tmp_path: Path) -> None:
    journal, request = Journal(tmp_path), live()
    journal.begin(request)
    assert files(tmp_path) == [request.request_id]
    journal.end(request)
    assert files(tmp_path) == []
    assert list(Journal(tmp_path).leftovers()) == []


def test_only_what_was_in_flight_is_left(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    requests = [live(f"{n:016x}") for n in range(1, 4)]
    for request in requests:
        journal.begin(request)
    journal.end(requests[1])
    left = [lost.span_id for lost in Journal(tmp_path).leftovers()]
    assert left == [f"{1:016x}", f"{3:016x}"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"trace_id": "x"}', "\x00\x01",
     json.dumps({"trace_id": TRACE_ID, "span_id": SPAN_ID, "tenant": "t", "model": "m",
                 "operation": "no such", "method": "POST", "route": "/", "stream": True,
                 "started_ns": 1})],
)  # fmt: skip
def test_an_unreadable_entry_is_dropped_with_a_warning_and_stops_nothing(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    (tmp_path / "in-flight" / "0-first-in-order").write_text(text)
    journal.begin(live())
    with caplog.at_level(logging.WARNING, logger="server.journal"):
        assert [lost.trace_id for lost in Journal(tmp_path).leftovers()] == [TRACE_ID]
    assert [record.args for record in caplog.records] == [("0-first-in-order",)]
    assert files(tmp_path) == []


def test_an_entry_holds_no_text_of_the_caller(tmp_path: Path) -> None:
    Journal(tmp_path).begin(live())
    entry = json.loads((tmp_path / "in-flight" / live().request_id).read_text())
    assert entry.keys() == {
        "trace_id", "span_id", "tenant", "model", "operation", "method", "route", "stream",
        "started_ns",
    }  # fmt: skip


def test_without_a_folder_nothing_is_kept() -> None:
    journal = Journal(None)
    journal.begin(live())
    journal.end(live())
    assert list(journal.leftovers()) == []


def test_ending_what_never_began_is_no_error(tmp_path: Path) -> None:
    Journal(tmp_path).end(live())
    assert files(tmp_path) == []


def test_an_entry_stays_until_its_record_was_dealt_with(tmp_path: Path) -> None:
    Journal(tmp_path).begin(live())
    first = Journal(tmp_path).leftovers()
    next(first)
    # Killed again here, before the record reached its consumers.
    del first
    assert len(list(Journal(tmp_path).leftovers())) == 1
    assert list(Journal(tmp_path).leftovers()) == []


def test_what_began_after_the_start_is_no_leftover(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(live())
    assert list(journal.leftovers()) == []
