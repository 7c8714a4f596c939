"""The ledger's books on disk: how they outlive a process."""

import datetime
import logging
import os
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec

from server.ledger.bill import Books, Key, Part
from server.ledger.kept_periods import Amount, KeptPeriods
from server.settings import PREFIX, SettingsError
from server.storage import durable

_log = logging.getLogger(__name__)
FILE = "ledger.json"
NEWEST = 2
"""The version that is written; 1, which had no number yet, is read too (docs/cost.md)."""
MOST_KEYS = 1000
"""Models by outcome, and tenants, that are kept."""


_LENGTHS = {"part": 2, "model": 3, "tenant": 2}


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in the file.

    `open` nanodollars are lost if the process is killed now; of them the periods do not know the
    `unbilled` ones.
    """

    version: Literal[2]
    books: list[tuple[tuple[str, ...], Amount]]
    open: Amount
    unbilled: Amount
    periods: KeptPeriods


class _Period1(msgspec.Struct):
    name: str
    sums: dict[str, Amount]


class _Kept1(msgspec.Struct):
    """What the version before wrote, whose counters began at 0 with each process."""

    books: list[list[str | int]]
    seen: list[list[str | int]]
    left: list[list[str | int]]
    open: Amount
    periods: dict[Literal["day", "month"], _Period1]


class _NewerError(Exception):
    """A later version wrote the file: what it holds is right, and not known here."""


class BookFile:
    """The books on disk; without a folder nothing outlives the process.

    `carried` is what the process before had counted, with what its requests in flight had cost
    among what was lost; `periods` is what it spent by day and month, less what is `unbilled`. What
    was lost and had been `settled` is in them. A file that cannot be read, or is of a later
    version, stops the start with SettingsError; one of the version before is kept beside the new
    one; one that is no books is set aside.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._path = state_dir / FILE if state_dir else None
        kept = self._read() or Kept(2, [], 0, 0, KeptPeriods())
        self.unbilled, self.settled = kept.unbilled, max(0, kept.open - kept.unbilled)
        self.carried: Books = Counter(_newest(kept.books))
        if kept.open:
            self.carried["part", Part.LOST] += kept.open
        self.periods = kept.periods

    @property
    def exists(self) -> bool:
        """True where the books outlive the process."""
        return self._path is not None

    def _read(self) -> Kept | None:
        if self._path is None:
            return None
        try:
            text = self._path.read_bytes()
            kept, version = _decode(text)
        except FileNotFoundError:
            return None
        except _NewerError as newer:
            fix = (
                f"{self._path} is of version {newer}, this server reads up to {NEWEST}: run the "
                "newer server, or restore a backup of before the upgrade (`make restore FROM=...`)"
            )
            raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix) from newer
        except OSError as error:
            fix = f"{self._path} cannot be read ({error.strerror}): it holds the bill so far"
            raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix) from error
        except (ValueError, msgspec.MsgspecError) as error:
            self._set_aside(self._path, error)
            return None
        if version < NEWEST:
            _keep_old(self._path, text, version)
        return kept

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = _beside(path, "bad")
        try:
            os.replace(path, aside)
        except OSError as refused:
            fix = f"{path} is no state file and cannot be moved ({refused.strerror}): move it away"
            raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix) from refused
        _log.error(
            "%s cannot be used (%s) and was kept as %s: the bill, the day's and the month's spend "
            "begin at 0",
            path,
            error,
            aside.name,
        )

    def write(self, books: Books, open_: int, unbilled: int, periods: KeptPeriods) -> None:
        """Keep all of it; raises OSError when the folder cannot be written."""
        if self._path is None:
            return
        # What this process has booked on last: a file that is full loses the oldest.
        rows = sorted(books.items(), key=lambda row: row[1] != self.carried[row[0]])
        kept = Kept(2, rows, open_, unbilled, periods)
        durable.replace(self._path, msgspec.json.encode(kept))


def _beside(path: Path, word: str) -> Path:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return path.with_name(f"{path.stem}.{word}-{moment}{path.suffix}")


def _keep_old(path: Path, text: bytes, version: int) -> None:
    """Whoever goes back to the server before finds the file that it can read."""
    old = _beside(path, f"v{version}")
    try:
        durable.replace(old, text)
    except OSError as error:
        _log.warning("%s of version %d cannot be kept (%s)", path, version, error.strerror)
        return
    _log.info("%s goes on from version %d, which is kept as %s", path, version, old.name)


def _decode(text: bytes) -> tuple[Kept, int]:
    version = _version(text)
    if version > NEWEST:
        raise _NewerError(version)
    if version == 1:
        kept = _from_version_1(msgspec.json.decode(text, type=_Kept1))
    else:
        kept = msgspec.json.decode(text, type=Kept)
    for key, _ in kept.books:
        if len(key) != _LENGTHS.get(key[0] if key else "") or not _is_part(key):
            raise ValueError("a key of the books means nothing")
    return kept, version


def _version(text: bytes) -> int:
    said = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("version")
    if said is None:
        return 1
    number = msgspec.json.decode(said, type=int)
    if number < NEWEST:
        raise ValueError(f"no books of version {number} ever said so")
    return number


def _newest(rows: list[tuple[Key, int]]) -> dict[Key, int]:
    # Models and tenants of the past are shown by nobody; of the oldest nothing need be known.
    parts = {key: amount for key, amount in rows if key[0] == "part"}
    return parts | dict([row for row in rows if row[0][0] != "part"][-MOST_KEYS:])


def _is_part(key: Key) -> bool:
    return key[0] != "part" or key[1] in tuple(Part)


def _from_version_1(old: _Kept1) -> Kept:
    books: Books = Counter()
    for row in (*old.books, *old.left):
        books[tuple(str(part) for part in row[:-1])] += int(row[-1])
    sums = {period: {kept.name: kept.sums} for period, kept in old.periods.items()}
    periods = KeptPeriods(sums.get("day", {}), sums.get("month", {}))
    return Kept(2, list(books.items()), old.open, old.open, periods)
