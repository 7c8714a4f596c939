"""The price list: what a model's tokens and a device's hour cost on a day, in US dollars."""

import datetime
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from server.pricing import checks
from server.pricing.price_entries import (
    DEVICES,
    MODELS,
    RATES,
    USD,
    Entry,
    PriceKind,
    currency,
    read_entries,
)
from server.record.request import Usage
from server.settings import SettingsError, read_yaml
from server.signals.labels import OTHER


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, which is microdollars per token."""

    input: Decimal
    cached_input: Decimal
    output: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """Microdollars of the usage: sum of tokens x price over the three disjoint kinds."""
        return (
            usage.uncached_input_tokens * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.output_tokens * self.output
        )

    def saved(self, usage: Usage) -> Decimal:
        """Microdollars that the cached tokens cost less than uncached ones, 0 where not less."""
        return usage.cached_input_tokens * max(self.input - self.cached_input, Decimal(0))


@dataclass(frozen=True, slots=True)
class PriceList:
    """Every entry of one price file; each answer is the entry in force on the day asked (UTC)."""

    models: tuple[Entry, ...] = ()
    devices: tuple[Entry, ...] = ()
    rates: tuple[Entry, ...] = ()

    def lists(self) -> tuple[tuple[PriceKind, tuple[Entry, ...]], ...]:
        """The entries by kind."""
        return (MODELS, self.models), (DEVICES, self.devices), (RATES, self.rates)

    def model_price(self, model: str, day: datetime.date) -> Price | None:
        """Dollars per million tokens of the model, None when it has no price.

        `other` is many models under one label, so no pattern may price it.
        """
        entry = None if model == OTHER else _in_force(self.models, model, day)
        return Price(*self.dollars(entry, day)) if entry else None

    def device_price(self, device: str, day: datetime.date) -> Decimal | None:
        """Dollars of one device for one hour, None when it has no price."""
        entry = _in_force(self.devices, device, day)
        return self.dollars(entry, day)[0] if entry else None

    def dollars(self, entry: Entry, day: datetime.date) -> tuple[Decimal, ...]:
        """The entry's amounts by the rate of the day; raises LookupError when there is none."""
        if entry.currency == USD:
            return entry.amounts
        rate = _in_force(self.rates, entry.currency, day)
        if rate is None:
            raise LookupError(entry.currency)
        return tuple(amount * rate.amounts[0] for amount in entry.amounts)


EARLIEST = datetime.date(2026, 1, 1)
"""No clock that says an earlier day is right: this program did not exist."""


def _in_force(entries: Iterable[Entry], name: str, day: datetime.date) -> Entry | None:
    # Exact before pattern, long before short, new before old; the text itself, so that no answer
    # depends on the order in the file.
    named = [entry for entry in entries if _matches(entry.name, name)]
    valid = [entry for entry in named if entry.since <= max(day, EARLIEST)]
    if day < EARLIEST and not valid:
        # Nothing is free because a clock was never set.
        first = min((entry.since for entry in named), default=day)
        valid = [entry for entry in named if entry.since == first]
    return max(
        valid,
        key=lambda entry: (entry.name == name, len(entry.name), entry.since, entry.name),
        default=None,
    )


def _matches(pattern: str, name: str) -> bool:
    # Only * and ? are special: a bracket in a model's name is a bracket.
    return pattern == name or fnmatchcase(name, pattern.replace("[", "[[]"))


def today() -> datetime.date:
    """The day in UTC, by which prices come into force."""
    return datetime.datetime.now(datetime.UTC).date()


def read_prices(path: Path) -> PriceList:
    """Read the price file; raises SettingsError naming file, entry, key and fix."""
    data = read_yaml(path, "PRICES")
    if not isinstance(data, dict):
        raise SettingsError(str(path), "prices", "must be a list of dated entries")
    kinds = (MODELS, DEVICES, RATES)
    checks.refuse_unknown(str(path), data, ("currency", *(kind.section for kind in kinds)))
    default = currency(str(path), data)
    found = PriceList(*(read_entries(path, data, kind, default) for kind in kinds))
    _check_rates(path, found)
    return found


def _check_rates(path: Path, prices: PriceList) -> None:
    for kind, entries in prices.lists()[:2]:
        for number, entry in enumerate(entries):
            try:
                prices.dollars(entry, entry.since)
            except LookupError as error:
                where = f"{path}: {kind.section}[{number}]"
                fix = f"`rates` has no {entry.currency} valid on {entry.since}: add one"
                raise SettingsError(where, "currency", fix) from error


def main() -> int:
    """Return 0 when the price file is sound, else 1 with what is wrong on stderr."""
    return checks.judge(
        read_prices, "python -m server.pricing.price_list", __doc__, Path("server/prices.yaml")
    )


if __name__ == "__main__":
    sys.exit(main())
