"""What is in flight, on disk: the process after a killed one can say what died with it."""

import errno
import json
import logging
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

from server.record.request import Operation, Outcome, RequestRecord, Usage
from server.requests.live_request import LiveRequest
from server.signals.hook_errors import failed, guarded
from server.signals.log_events import IDS_IN_TEXT
from server.storage.writer import Writer

_log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
"""How soon a file that could not be removed is tried again."""
VERSION = 1
"""Of the entries that are written; those without a number are the same."""
_FIELDS = (
    "trace_id", "span_id", "tenant", "model", "operation", "method", "route", "stream",
    "caller_request_id",
)  # fmt: skip


class Journal:
    """One small file per request in flight; without a folder it keeps nothing.

    A thread of its own writes and removes them, so that a slow disk is nobody's delay: a request
    that ended before its file was written never has one. Not synced: an entry survives the process,
    not the machine.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._folder = state_dir / "in-flight" if state_dir else None
        self._left: tuple[Path, ...] = ()
        self._lock = threading.Lock()
        self._due: dict[str, bytes | None] = {}
        self._writer = Writer(
            self._write, partial(failed, "journal"), "journal-writer", RETRY_SECONDS
        )
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._left = tuple(sorted(self._folder.iterdir()))
            self._writer.start()

    def begin(self, live: LiveRequest) -> None:
        """Note that the request is in flight."""
        if self._folder:
            entry = {field: getattr(live, field) for field in _FIELDS}
            entry["started_ns"] = live.started_ns
            entry["version"] = VERSION
            with self._lock:
                self._due[live.request_id] = json.dumps(entry).encode()
            self._writer.nudge()

    def end(self, live: LiveRequest) -> None:
        """Note that the request is recorded."""
        if self._folder and live.accepted:
            with self._lock:
                if self._due.pop(live.request_id, None) is None:
                    self._due[live.request_id] = None
            self._writer.nudge()

    def close(self, patience: float) -> None:
        """Do what is due, within so many seconds."""
        if self._folder:
            self._writer.end(patience)

    def _write(self) -> None:
        with self._lock:
            due, self._due = self._due, {}
        for name, entry in due.items():
            # Each by itself: an entry that finds no room keeps no other from being removed.
            with guarded("journal"):
                self._put(name, entry)

    def _put(self, name: str, entry: bytes | None) -> None:
        if self._folder is None:
            return
        path = f"{self._folder}/{name}"
        if entry is not None:
            try:
                _write_whole(path, entry)
            except OSError:
                # A part of an entry would be an unreadable one.
                _unlink(path)
                raise
            return
        try:
            _unlink(path)
        except OSError:
            # Left there it would be a killed request as well: try again every second.
            with self._lock:
                self._due.setdefault(name, None)
            raise

    def leftovers(self) -> list[RequestRecord]:
        """What stood here at start: the requests of a killed process; what they used is unknown.

        An entry is to be removed (`forget`) once its record has been dealt with, so another kill
        loses none.
        """
        found = (self._leftover(path) for path in self._left)
        return [record for record in found if record is not None]

    def _leftover(self, path: Path) -> RequestRecord | None:
        if not IDS_IN_TEXT.fullmatch(path.name) or not path.is_file():
            _log.warning("%s is no entry of a request in flight: it is left alone", path.name)
            return None
        try:
            return _read(path)
        except _NewerError:
            _log.warning("%s was written by a newer server: it is left for that one", path.name)
            return None
        except (OSError, AttributeError, ValueError, KeyError, TypeError):
            _log.warning("unreadable in-flight entry %s is dropped", path.name)
        self._remove(path.name)
        return None

    def forget(self, record: RequestRecord) -> None:
        """A record of `leftovers` has been dealt with."""
        self._remove(f"{record.trace_id}-{record.span_id}")

    def _remove(self, name: str) -> None:
        with self._lock:
            self._due[name] = None
        self._writer.nudge()


def _write_whole(path: str, entry: bytes) -> None:
    # Twice a request, beside the event loop: each system call more takes its lock once more.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        if os.write(file, entry) < len(entry):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


class _NewerError(Exception):
    """A later version wrote the entry."""


def _read(path: Path) -> RequestRecord:
    entry = json.loads(path.read_text())
    if int(str(entry.get("version", VERSION))) > VERSION:
        raise _NewerError
    return _killed(entry)


def _operation(name: str) -> Operation:
    # A server that served more than this one does was killed; its requests were requests too.
    return Operation(name) if name in tuple(Operation) else Operation.OTHER


def _killed(entry: dict[str, object]) -> RequestRecord:
    return RequestRecord(
        trace_id=str(entry["trace_id"]),
        span_id=str(entry["span_id"]),
        tenant=str(entry["tenant"]),
        model=str(entry["model"]),
        operation=_operation(str(entry["operation"])),
        outcome=Outcome.SERVER_ERROR,
        reason="killed",
        method=str(entry["method"]),
        route=str(entry["route"]),
        status_code=None,
        stream=bool(entry["stream"]),
        started_ns=int(str(entry["started_ns"])),
        duration_seconds=None,
        time_to_first_token_seconds=None,
        time_per_output_token_seconds=None,
        phases=(),
        usage=Usage(),
        finish_reasons=(),
        response_id=None,
        error_type="killed",
        # An entry of an earlier version has none.
        caller_request_id=str(given) if (given := entry.get("caller_request_id")) else None,
    )
