"""The ledger's books: integer nanodollars by what they were for, and how they outlive a process."""

import json
import logging
import os
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

_log = logging.getLogger(__name__)
FILE = "ledger.json"


class Part(StrEnum):
    """What device time was for; every nanosecond is in one of them, or open."""

    REQUESTS = "requests"
    IDLE = "idle"
    START_UP = "start_up"
    STALL = "stall"
    LOST = "lost"


Key: TypeAlias = tuple[str, ...]
"""("part", part), ("model", model, outcome) or ("tenant", tenant)."""
Books: TypeAlias = "Counter[Key]"
"""Nanodollars by key, since the process started."""


def less(books: Books, seen: Books) -> Books:
    """What stands in the books and was not seen yet."""
    return Counter({key: amount - seen[key] for key, amount in books.items() if amount > seen[key]})


class BookFile:
    """The books on disk; without a folder nothing outlives the process.

    `left` is what the process before counted and nobody saw, with `open`, what its requests in
    flight had cost, among what was lost.

    What Prometheus saw is noted before it is sent: killed in between, an amount is missing there
    rather than counted twice. Not synced: it survives the process, not the machine.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._path = state_dir / FILE if state_dir else None
        self._kept = self._read()
        self.open = 0
        self.left = self._left()

    @property
    def periods(self) -> dict[str, Any]:
        """What the last process kept of the day and the month."""
        found = self._kept.get("periods")
        return found if isinstance(found, dict) else {}

    def _left(self) -> Books:
        try:
            left = less(_books(self._kept["books"]), _books(self._kept["seen"]))
            left.update(_books(self._kept["left"]))
            self.open = int(self._kept["open"])
            left["part", Part.LOST] += self.open
        except (KeyError, TypeError, ValueError):
            if self._kept:
                _log.error("%s cannot be read: what it held is not counted", self._path)
            return Counter()
        return left

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text()) if self._path else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.error("%s cannot be read (%s)", self._path, type(error).__name__)
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, books: Books, seen: Books, left: Books, open_: int, periods: Any) -> None:
        """Keep all of it; raises OSError when the folder cannot be written.

        `left` is what an earlier process left and is not in the books yet; `open_` nanodollars are
        lost if this process is killed now.
        """
        if self._path is None:
            return
        parts = {"books": _rows(books), "seen": _rows(seen), "left": _rows(left)}
        text = json.dumps({**parts, "open": open_, "periods": periods})
        scratch = self._path.with_suffix(".new")
        scratch.write_text(text)
        os.replace(scratch, self._path)


def _rows(books: Books) -> list[list[str | int]]:
    return [[*key, amount] for key, amount in sorted(books.items())]


def _books(rows: list[list[str | int]]) -> Books:
    return Counter({tuple(str(part) for part in row[:-1]): int(row[-1]) for row in rows})
