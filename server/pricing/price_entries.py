"""The dated entries of the price file, each checked key by key."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from server.pricing import checks
from server.settings import SettingsError
from server.signals.labels import refuse_other

USD = "USD"
_CURRENCY = re.compile(r"[A-Z]{3}")
_CURRENCY_FIX = "must be a code of three capital letters such as USD"


@dataclass(frozen=True, slots=True)
class PriceKind:
    """One list of the price file: the keys of its entries, and what is said of a wrong one."""

    section: str
    name: str
    name_fix: str
    amounts: tuple[str, ...]
    amount_fix: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that an entry may have; `currency` names a rate and is optional elsewhere."""
        return tuple(dict.fromkeys((self.name, "from", "source", *self.amounts, "currency")))


MODELS = PriceKind(
    "prices",
    "model",
    "must name a model or a pattern",
    ("input", "cached_input", "output"),
    "must be the price of a million tokens, at least 0",
)
DEVICES = PriceKind(
    "devices",
    "device",
    "must name an accelerator or a pattern, or be cpu",
    ("per_hour",),
    "must be the price of one device for one hour, at least 0",
)
RATES = PriceKind(
    "rates",
    "currency",
    _CURRENCY_FIX,
    ("usd",),
    "must be the dollars that one unit is worth, above 0",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What `name` costs from the day (UTC) on; the amounts are in the order of its kind's keys."""

    name: str
    since: datetime.date
    source: str
    currency: str
    amounts: tuple[Decimal, ...]


def currency(where: str, entry: Mapping[object, object]) -> str:
    """The entry's currency; raises SettingsError when it is no code."""
    code = checks.text(where, entry, "currency", _CURRENCY_FIX)
    if not _CURRENCY.fullmatch(code):
        raise SettingsError(where, "currency", _CURRENCY_FIX)
    return code


def _entry(where: str, found: object, kind: PriceKind, default: str) -> Entry:
    if not isinstance(found, dict):
        raise SettingsError(where, kind.name, kind.name_fix)
    checks.refuse_unknown(where, found, kind.keys)
    name = checks.text(where, found, kind.name, kind.name_fix)
    if kind is MODELS:
        refuse_other(where, kind.name, name)
    if type(found.get("from")) is not datetime.date:
        raise SettingsError(where, "from", "must be a date such as 2026-01-31")
    source = checks.text(where, found, "source", "must say where the price was read, by a link")
    amounts = tuple(
        checks.amount(where, key, found.get(key), kind.amount_fix, above_zero=kind is RATES)
        for key in kind.amounts
    )
    code = currency(where, {"currency": default, **found})
    if kind is RATES and code == USD:
        raise SettingsError(where, "currency", "is worth itself: a rate is for another currency")
    return Entry(name, found["from"], source, code, amounts)


def read_entries(
    path: Path, data: Mapping[object, object], kind: PriceKind, default: str
) -> tuple[Entry, ...]:
    """The entries of one kind, in their order; raises SettingsError for the first bad one."""
    found = data.get(kind.section)
    if found is None and kind is not MODELS:
        return ()
    if not isinstance(found, list):
        raise SettingsError(str(path), kind.section, "must be a list of dated entries")
    entries: list[Entry] = []
    first: dict[tuple[str, datetime.date], int] = {}
    for number, one in enumerate(found):
        where = f"{path}: {kind.section}[{number}]"
        entry = _entry(where, one, kind, default)
        same = first.setdefault((entry.name, entry.since), number)
        if same != number:
            fix = f"{kind.section}[{same}] has the same {kind.name} and date: delete one of them"
            raise SettingsError(where, "from", fix)
        entries.append(entry)
    return tuple(entries)
