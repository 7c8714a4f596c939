"""Checks that the price file and the budgets file share: a typing error stops, by its name."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from server.settings import SettingsError

MAX_AMOUNT = Decimal(10**9)
"""No price and no budget is higher; below it, sums of a year stay exact in 28 digits."""


def refuse_unknown(where: str, entry: Mapping[object, object], known: Iterable[str]) -> None:
    """Raise SettingsError for the first key that means nothing here."""
    names = tuple(known)
    for key in entry:
        if key not in names:
            raise SettingsError(where, str(key), f"means nothing here; known: {', '.join(names)}")


def text(where: str, entry: Mapping[object, object], key: str, fix: str) -> str:
    """The key's text without blanks around it; raises SettingsError when there is none."""
    found = entry.get(key)
    if not isinstance(found, str) or not found.strip():
        raise SettingsError(where, key, fix)
    return found.strip()


def amount(where: str, key: str, value: object, fix: str, above_zero: bool = False) -> Decimal:
    """The number, at least 0 and at most MAX_AMOUNT; else raises SettingsError with the fix."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 <= found <= MAX_AMOUNT or (above_zero and not found):
        raise SettingsError(where, key, fix)
    return found


def judge(
    read: Callable[[Path], object], program: str, about: str | None, default: Path | None
) -> int:
    """Read the file that the command line names; 0 when it is sound, else 1 and why on stderr."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("file", nargs="?" if default else None, type=Path, default=default)
    try:
        read(parser.parse_args().file)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
