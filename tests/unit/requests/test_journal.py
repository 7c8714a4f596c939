"""Journal: what a killed process had in flight is found once by the next one."""

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from server.record.request import Operation, Outcome, Usage
from server.requests import in_flight_journal
from server.requests.in_flight_journal import Journal
from server.requests.live_request import LiveRequest
from server.settings import SettingsError
from server.storage import slots
from stack.upkeep import state_files
from tests.unit.flying import kept
from tests.unit.helpers import SPAN_ID, STARTED_NS, TRACE_ID, hook_failures

PATIENCE = 60.0
"""Seconds for what has to come about; less would ask how fast the disk is."""


def live(span_id: str = SPAN_ID) -> LiveRequest:
    request = LiveRequest(
        TRACE_ID, span_id, "POST", "/v1/completions", Operation.TEXT_COMPLETION,
        tenant="acme", model="tiny-llama", stream=True, accepted=True,
    )  # fmt: skip
    request.started_ns = STARTED_NS
    return request


def begun(state_dir: Path | None, *requests: LiveRequest) -> Journal:
    """A journal that has written that these are in flight."""
    journal = Journal(state_dir)
    for request in requests:
        journal.begin(request)
    done(journal)
    return journal


def done(journal: Journal) -> None:
    assert journal._slots is None or journal._writer.ask(PATIENCE)


def files(state_dir: Path) -> list[str]:
    """What is in flight: in the file, and in the folder of a backup or an earlier server."""
    folder = state_dir / in_flight_journal.FOLDER
    return sorted((*kept(state_dir), *(path.name for path in folder.glob("*"))))


def as_before(state_dir: Path, name: str, text: str) -> None:
    """An entry as a backup or an earlier server leaves it."""
    folder = state_dir / in_flight_journal.FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_a_killed_process_leaves_its_requests_to_the_next(tmp_path: Path) -> None:
    begun(tmp_path, live())
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
    begun(tmp_path, live())
    journal = Journal(tmp_path)
    (record,) = journal.leftovers()
    assert len(Journal(tmp_path).leftovers()) == 1, "not dealt with yet"
    journal.forget(record)
    done(journal)
    assert Journal(tmp_path).leftovers() == []
    assert files(tmp_path) == []


def test_a_recorded_request_leaves_nothing(tmp_path: Path) -> None:
    request = live()
    journal = begun(tmp_path, request)
    assert files(tmp_path) == [request.request_id]
    journal.end(request)
    done(journal)
    assert files(tmp_path) == []
    assert list(Journal(tmp_path).leftovers()) == []


def test_only_what_was_in_flight_is_left(tmp_path: Path) -> None:
    requests = [live(f"{n:016x}") for n in range(1, 4)]
    journal = begun(tmp_path, *requests)
    journal.end(requests[1])
    done(journal)
    left = [lost.span_id for lost in Journal(tmp_path).leftovers()]
    assert left == [f"{1:016x}", f"{3:016x}"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"trace_id": "x"}', "\x00\x01", '{"version": "x"}'],
)  # fmt: skip
def test_an_unreadable_entry_is_dropped_with_a_warning_and_stops_nothing(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    torn = live("0" * 16).request_id
    as_before(tmp_path, torn, text)
    journal.begin(live())
    done(journal)
    found = Journal(tmp_path)
    with caplog.at_level(logging.WARNING, logger="server.requests.in_flight_journal"):
        assert [lost.trace_id for lost in found.leftovers()] == [TRACE_ID]
    assert [record.args for record in caplog.records] == [(torn,)]
    done(found)
    assert files(tmp_path) == [live().request_id]


ENTRY = {
    "trace_id": TRACE_ID, "span_id": SPAN_ID, "tenant": "t", "model": "m", "operation": "chat",
    "method": "POST", "route": "/", "stream": True, "started_ns": 1,
}  # fmt: skip
"""As it was written before entries had a version."""


def leftover(state_dir: Path, **entry: object) -> list[Operation]:
    journal = Journal(state_dir)
    as_before(state_dir, live().request_id, json.dumps({**ENTRY, **entry}))
    done(journal)
    found = Journal(state_dir)
    operations = [record.operation for record in found.leftovers()]
    done(found)
    return operations


def test_an_entry_without_a_version_is_read(tmp_path: Path) -> None:
    assert leftover(tmp_path) == [Operation.CHAT]


def test_an_operation_that_only_another_server_serves_is_a_request_all_the_same(
    tmp_path: Path,
) -> None:
    assert leftover(tmp_path, operation="dream", version=1) == [Operation.OTHER]


def test_an_entry_of_a_newer_server_is_left_for_that_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert leftover(tmp_path, version=2) == []
    assert "newer server" in caplog.text
    assert files(tmp_path) == [live().request_id]


def test_what_is_no_entry_is_left_alone_and_hides_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun(tmp_path, live())
    folder = tmp_path / "in-flight"
    (folder / "0dir").mkdir(parents=True)
    (folder / live("0" * 16).request_id).mkdir()
    (folder / "0-notes").write_text("mine")
    with caplog.at_level(logging.WARNING, logger="server.requests.in_flight_journal"):
        assert [lost.span_id for lost in Journal(tmp_path).leftovers()] == [SPAN_ID]
    assert caplog.text.count("left alone") == 3
    assert len(files(tmp_path)) == 4


def test_an_entry_holds_no_text_of_the_caller(tmp_path: Path) -> None:
    begun(tmp_path, live())
    entry = json.loads(kept(tmp_path)[live().request_id])
    assert entry.keys() == {
        "trace_id", "span_id", "tenant", "model", "operation", "method", "route", "stream",
        "started_ns", "version", "caller_request_id",
    }  # fmt: skip
    assert entry["caller_request_id"] is None


def test_the_callers_id_of_a_killed_request_is_known_to_the_next_process(tmp_path: Path) -> None:
    mine, other = live(), live("c" * 16)
    mine.caller_request_id = "run-7"
    begun(tmp_path, mine, other)
    found = {lost.span_id: lost.caller_request_id for lost in Journal(tmp_path).leftovers()}
    assert found == {SPAN_ID: "run-7", "c" * 16: None}


def test_an_entry_of_a_version_without_callers_ids_is_read(tmp_path: Path) -> None:
    begun(tmp_path, live())
    entry = json.loads(kept(tmp_path)[live().request_id])
    del entry["caller_request_id"]
    before = tmp_path / "before"
    before.mkdir()
    as_before(before, live().request_id, json.dumps(entry))
    (lost,) = Journal(before).leftovers()
    assert (lost.reason, lost.caller_request_id) == ("killed", None)


def test_without_a_folder_nothing_is_kept() -> None:
    journal = Journal(None)
    journal.begin(live())
    journal.end(live())
    assert list(journal.leftovers()) == []


def test_ending_what_never_began_is_no_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.end(live())
    done(journal)
    assert files(tmp_path) == []


def test_an_entry_stays_until_its_record_was_dealt_with(tmp_path: Path) -> None:
    begun(tmp_path, live())
    first = Journal(tmp_path)
    assert len(first.leftovers()) == 1
    # Killed again here, before the record reached its consumers.
    second = Journal(tmp_path)
    (record,) = second.leftovers()
    second.forget(record)
    done(second)
    assert Journal(tmp_path).leftovers() == []


def test_what_began_after_the_start_is_no_leftover(tmp_path: Path) -> None:
    assert list(begun(tmp_path, live()).leftovers()) == []


@pytest.mark.parametrize("error", [28, 13, 30], ids=["ENOSPC", "EACCES", "EROFS"])
def test_a_disk_that_takes_nothing_is_counted_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    journal, request = Journal(tmp_path), live()

    def refuse(file: int, data: bytes, at: int) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "pwrite", refuse)
    with hook_failures("journal", 1):
        journal.begin(request)
        done(journal)
        # It stands nowhere, so its end has nothing to do, now or when there is room again.
        journal.end(request)
        done(journal)
    assert files(tmp_path) == []
    monkeypatch.undo()
    journal.begin(live("2" * 16))
    done(journal)
    assert files(tmp_path) == [live("2" * 16).request_id]


def test_a_disk_that_takes_a_part_of_an_entry_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, write = Journal(tmp_path), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:7], at))
    with hook_failures("journal", 1):
        journal.begin(live())
        done(journal)
    assert files(tmp_path) == []


def test_a_disk_that_hangs_delays_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, hung, written = threading.Event(), threading.Event(), list[bytes]()

    def slow(file: int, data: bytes, at: int) -> int:
        entered.set()
        hung.wait(PATIENCE)
        written.append(data)
        return write(file, data, at)

    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", slow)
    journal = Journal(tmp_path)
    journal.begin(live(f"{1:016x}"))
    assert entered.wait(PATIENCE)
    for n in range(2, 200):
        journal.begin(live(f"{n:016x}"))
    for n in range(1, 199):
        journal.end(live(f"{n:016x}"))
    assert written == [], "a request came after the disk"
    # What ended meanwhile was never written: the backlog is what is in flight.
    assert journal._due.keys() == {live(f"{n:016x}").request_id for n in (1, 199)}
    hung.set()
    done(journal)
    assert files(tmp_path) == [live(f"{199:016x}").request_id]


def test_an_entry_that_could_not_be_removed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = live()
    monkeypatch.setattr(in_flight_journal, "RETRY_SECONDS", 60 * PATIENCE)
    journal = begun(tmp_path, request)
    # Tried when it is asked to, and not a first time when it is told.
    monkeypatch.setattr(journal._writer, "nudge", lambda: None)
    tries, write = iter([True]), os.pwrite

    def once(file: int, data: bytes, at: int) -> int:
        if next(tries, False):
            raise OSError(30, "Read-only file system")
        return write(file, data, at)

    monkeypatch.setattr(os, "pwrite", once)
    with hook_failures("journal", 1):
        journal.end(request)
        done(journal)
    assert files(tmp_path) == [request.request_id]
    journal.close(PATIENCE)
    assert files(tmp_path) == []


def test_a_slot_is_used_again_and_the_file_is_as_long_as_the_most_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for n in range(1, 20):
        request = live(f"{n:016x}")
        journal.begin(request)
        done(journal)
        journal.end(request)
        done(journal)
    assert (tmp_path / in_flight_journal.FILE).stat().st_size <= slots.SIZE


def test_a_shorter_entry_hides_all_of_the_longer_one_before_it(tmp_path: Path) -> None:
    long, short = live(), live("c" * 16)
    long.model = "m" * 1000
    journal = begun(tmp_path, long)
    journal.end(long)
    journal.begin(short)
    done(journal)
    (lost,) = Journal(tmp_path).leftovers()
    assert (lost.span_id, lost.model) == ("c" * 16, "tiny-llama")


def test_what_a_burst_took_of_the_disk_is_given_back_at_the_next_start(tmp_path: Path) -> None:
    many = [live(f"{n:016x}") for n in range(1, 100)]
    journal = begun(tmp_path, *many)
    for request in many[2:]:
        journal.end(request)
    done(journal)
    assert len(Journal(tmp_path).leftovers()) == 2
    assert (tmp_path / in_flight_journal.FILE).stat().st_size <= 2 * slots.SIZE


def test_an_entry_beyond_a_slot_is_counted_and_touches_no_other(tmp_path: Path) -> None:
    long, other = live(), live("c" * 16)
    long.model = "m" * slots.SIZE
    journal = Journal(tmp_path)
    with hook_failures("journal", 1):
        journal.begin(long)
        journal.begin(other)
        done(journal)
    assert files(tmp_path) == [other.request_id]
    journal.end(long)
    done(journal)
    assert [lost.span_id for lost in Journal(tmp_path).leftovers()] == ["c" * 16]


def test_one_that_was_restored_beside_its_own_entry_is_one_request(tmp_path: Path) -> None:
    begun(tmp_path, live())
    as_before(tmp_path, live().request_id, kept(tmp_path)[live().request_id].decode())
    journal = Journal(tmp_path)
    (lost,) = journal.leftovers()
    journal.forget(lost)
    done(journal)
    assert files(tmp_path) == []


def test_an_entry_that_stands_twice_is_found_once(tmp_path: Path) -> None:
    begun(tmp_path, live())
    path = tmp_path / in_flight_journal.FILE
    path.write_bytes(path.read_bytes().ljust(slots.SIZE, b"\0") * 2)
    journal = Journal(tmp_path)
    (lost,) = journal.leftovers()
    journal.forget(lost)
    done(journal)
    assert Journal(tmp_path).leftovers() == []


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"{}",
        b"name-without-an-entry",
        b"x" * slots.SIZE,
        b"of-another " + json.dumps({**ENTRY, "trace_id": "e" * 32}).encode() + b"\n",
    ],
)  # fmt: skip
def test_what_is_no_entry_in_the_file_is_dropped_and_hides_none(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    begun(tmp_path, live())
    path = tmp_path / in_flight_journal.FILE
    path.write_bytes(text.ljust(slots.SIZE, b"\0") + path.read_bytes())
    journal = Journal(tmp_path)
    with caplog.at_level(logging.WARNING, logger="server.requests.in_flight_journal"):
        assert [lost.span_id for lost in journal.leftovers()] == [SPAN_ID]
    done(journal)
    assert files(tmp_path) == [live().request_id]
    assert caplog.text.count("is dropped") == 1


def test_a_file_that_cannot_be_opened_stops_the_start_with_its_name(tmp_path: Path) -> None:
    (tmp_path / in_flight_journal.FILE).mkdir()
    with pytest.raises(SettingsError, match=r"in-flight\.slots cannot be opened"):
        Journal(tmp_path)


def test_the_script_of_backups_reads_the_same_entries(tmp_path: Path) -> None:
    many = [live(f"{n:016x}") for n in range(1, 4)]
    journal = begun(tmp_path, *many)
    journal.end(many[1])
    done(journal)
    assert (state_files.SLOTS, state_files.SLOT_BYTES) == (in_flight_journal.FILE, slots.SIZE)
    found = {
        name: entry for name, entry in state_files.read(tmp_path).items() if "in-flight/" in name
    }
    assert found == {f"in-flight/{name}": entry for name, entry in kept(tmp_path).items()}
    assert len(found) == 2
