"""Where the records of a replay come from: the log store of the stack, or files of them."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadtest.replay.recorded import EVENT, Recorded, read
from stack.errors import Fault
from stack.stores.protocol import LogRecord, LogStore, StoreError, Window, once

LASTING_SECONDS = 3600.0
"""A record comes with its request's end: how long after the window one is looked for."""


def of_store(store: LogStore, since: float, until: float, now: float) -> list[Recorded]:
    """The requests that began in the window (Unix seconds), by their start; raises Fault."""
    window = Window(since, min(now + 60, until + LASTING_SECONDS))
    try:
        return _begun(store.events((EVENT,), window), since, until)
    except StoreError as error:
        fix = f"see `make logs PART={store.name}`, or name a file of records in FROM"
        raise Fault(str(error), fix) from error


def of_files(path: Path, since: float, until: float) -> list[Recorded]:
    """The same of a file of the server's JSON lines, or of each file of a folder; raises Fault."""
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    try:
        return _begun((line for file in files for line in _lines(file)), since, until)
    except OSError as error:
        raise Fault(f"FROM: {error.filename}: {error.strerror}") from error


def _begun(records: Iterator[LogRecord], since: float, until: float) -> list[Recorded]:
    # One trace may hold several requests: each has a span of its own.
    return sorted(
        (each for each in map(read, once(records)) if since <= each.started < until),
        key=lambda each: each.started,
    )


def _lines(file: Path) -> Iterator[LogRecord]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # What other processes print, and what a kill has torn, is no record.
            if EVENT in line and (found := _object(line)) and found[1].get("event") == EVENT:
                known = {name: value for name, value in found[1].items() if value is not None}
                yield LogRecord(found[0], "", known)


def _object(line: str) -> tuple[int, dict[str, Any]] | None:
    """When a line was written, Unix nanoseconds, and what is in it; None where it is no record."""
    try:
        found = dict(json.loads(line[line.index("{") :]))
        at = datetime.datetime.fromisoformat(str(found["timestamp"]))
        return round(at.timestamp() * 1e9), found
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
