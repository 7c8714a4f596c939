"""The price file in force: read again when it changes, and never rewritten backwards."""

import asyncio
import datetime
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from server.pricing.price_entries import Entry, PriceKind
from server.pricing.price_list import PriceList, read_prices, today
from server.settings import SettingsError
from server.signals import instruments
from server.signals.hook_errors import guarded

_log = logging.getLogger(__name__)


class PriceFile:
    """One price file and the list in force; a bad change of the file leaves it in force."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises SettingsError when it is bad."""
        self.path = path
        # Before it is read: what is written meanwhile is a change.
        self._seen = _signature(path)
        self._said = ""
        self.current: PriceList = read_prices(path)
        instruments.PRICES_VALID.set(1)

    def refresh(self) -> bool | None:
        """Take up a change of the file: None without one, False when it was refused."""
        signature = _signature(self.path)
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            changed = read_prices(self.path)
            refuse_rewriting(self.path, self.current, changed, today())
        except SettingsError as error:
            self._refuse(str(error))
            return False
        self.current, self._said = changed, ""
        instruments.PRICES_VALID.set(1)
        _log.info("price file read again: %s is in force as it stands", self.path)
        return True

    def _refuse(self, why: str) -> None:
        instruments.PRICES_VALID.set(0)
        if why != self._said:
            _log.error("price file change refused, the prices before it stay in force: %s", why)
        self._said = why


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def refuse_rewriting(path: Path, old: PriceList, new: PriceList, day: datetime.date) -> None:
    """Raise SettingsError for the first entry in force on the day that is gone or says otherwise.

    What was charged by it would no longer be what the file says.
    """
    for (kind, before), (_, after) in zip(old.lists(), new.lists(), strict=True):
        places = {(entry.name, entry.since): n for n, entry in enumerate(after)}
        for entry in (entry for entry in before if entry.since <= day):
            number = places.get((entry.name, entry.since))
            if number is None:
                fix = f"the entry from {entry.since} is in force: put it back"
                raise SettingsError(f"{path}: {kind.section}", entry.name, fix)
            _refuse_edit(f"{path}: {kind.section}[{number}]", kind, entry, after[number])


def _refuse_edit(where: str, kind: PriceKind, old: Entry, new: Entry) -> None:
    for (key, before), (_, after) in zip(_values(kind, old), _values(kind, new), strict=True):
        if before != after:
            fix = f"in force since {old.since} as {before}: put it back, add an entry with its date"
            raise SettingsError(where, key, fix)


def _values(kind: PriceKind, entry: Entry) -> Iterator[tuple[str, object]]:
    yield from zip(kind.amounts, entry.amounts, strict=True)
    yield "currency", entry.currency
    yield "source", entry.source


async def watch(file: PriceFile, on_change: Callable[[], None], interval: float = 5.0) -> None:
    """Take up changes of the file for ever, looking every `interval` seconds; never raises.

    `on_change` is called after each that was taken up, and on a new day, whose entries are in
    force then.
    """
    day = today()
    while True:
        await asyncio.sleep(interval)
        with guarded("prices"):
            changed = await asyncio.to_thread(file.refresh)
            before, day = day, today()
            if changed or day != before:
                on_change()
