"""What is in flight, on disk: the process after a killed one can say what died with it."""

import json
import logging
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

from server.record.request import Operation, Outcome, RequestRecord, Usage
from server.requests.live_request import LiveRequest
from server.settings import PREFIX, SettingsError
from server.signals.hook_errors import failed, guarded
from server.signals.log_events import IDS_IN_TEXT
from server.storage.slots import Slots
from server.storage.writer import Writer

_log = logging.getLogger(__name__)
FILE, FOLDER = "in-flight.slots", "in-flight"
"""Where entries stand; the folder has a file for each, of a backup or an earlier server."""
RETRY_SECONDS = 1.0
"""How soon an entry that could not be removed is tried again."""
VERSION = 1
"""Of the entries that are written; those without a number are the same."""
_FIELDS = (
    "trace_id", "span_id", "tenant", "model", "operation", "method", "route", "stream",
    "caller_request_id",
)  # fmt: skip


class Journal:
    """An entry for each request in flight; without a folder it keeps nothing.

    A thread of its own writes and removes them, so that a slow disk is nobody's delay: a request
    that ended before its entry was written never has one. Raises SettingsError where the file
    cannot be opened.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, bytes | None] = {}
        self._files: dict[str, Path] = {}
        self._left: dict[str, bytes | Path] = {}
        self._slots: Slots | None = None
        self._writer = Writer(
            self._write, partial(failed, "journal"), "journal-writer", RETRY_SECONDS
        )
        if state_dir:
            self._slots = _opened(state_dir / FILE)
            self._files = _files(state_dir / FOLDER)
            # One that was restored from a backup may stand in both.
            self._left = {**self._files, **self._slots.found}
            self._writer.start()

    def begin(self, live: LiveRequest) -> None:
        """Note that the request is in flight."""
        if self._slots is not None:
            entry = {field: getattr(live, field) for field in _FIELDS}
            entry["started_ns"] = live.started_ns
            entry["version"] = VERSION
            with self._lock:
                self._due[live.request_id] = json.dumps(entry).encode()
            self._writer.nudge()

    def end(self, live: LiveRequest) -> None:
        """Note that the request is recorded."""
        if self._slots is not None and live.accepted:
            with self._lock:
                if self._due.pop(live.request_id, None) is None:
                    self._due[live.request_id] = None
            self._writer.nudge()

    def close(self, patience: float) -> None:
        """Do what is due, within so many seconds."""
        if self._slots is not None:
            self._writer.end(patience)

    def _write(self) -> None:
        with self._lock:
            due, self._due = self._due, {}
        for name, entry in due.items():
            # Each by itself: an entry that finds no room keeps no other from being removed.
            with guarded("journal"):
                if entry is None:
                    self._give_up(name)
                elif self._slots is not None:
                    self._slots.put(name, entry)

    def _give_up(self, name: str) -> None:
        try:
            if self._slots is not None:
                self._slots.remove(name)
            if name in self._files:
                self._files[name].unlink(missing_ok=True)
                del self._files[name]
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
        found = (self._leftover(name, self._left[name]) for name in sorted(self._left))
        return [record for record in found if record is not None]

    def _leftover(self, name: str, kept: bytes | Path) -> RequestRecord | None:
        if isinstance(kept, Path) and not (IDS_IN_TEXT.fullmatch(name) and kept.is_file()):
            _log.warning("%s is no entry of a request in flight: it is left alone", name)
            return None
        try:
            return _read(name, kept.read_bytes() if isinstance(kept, Path) else kept)
        except _NewerError:
            _log.warning("%s was written by a newer server: it is left for that one", name)
            return None
        except (OSError, AttributeError, ValueError, KeyError, TypeError):
            _log.warning("unreadable in-flight entry %s is dropped", name)
        self._remove(name)
        return None

    def forget(self, record: RequestRecord) -> None:
        """A record of `leftovers` has been dealt with."""
        self._remove(f"{record.trace_id}-{record.span_id}")

    def _remove(self, name: str) -> None:
        with self._lock:
            self._due[name] = None
        self._writer.nudge()


def _opened(path: Path) -> Slots:
    try:
        return Slots(path)
    except OSError as error:
        fix = f"{path} cannot be opened ({error.strerror}): make it a file that can be written"
        raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix) from error


def _files(folder: Path) -> dict[str, Path]:
    with suppress(FileNotFoundError):
        return {path.name: path for path in folder.iterdir()}
    return {}


class _NewerError(Exception):
    """A later version wrote the entry."""


def _read(name: str, text: bytes) -> RequestRecord:
    entry = json.loads(text)
    if int(str(entry.get("version", VERSION))) > VERSION:
        raise _NewerError
    found = _killed(entry)
    if name != f"{found.trace_id}-{found.span_id}":
        raise ValueError(f"{name} holds the entry of another")
    return found


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
