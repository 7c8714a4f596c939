"""One month (UTC) of the server's books: whose its bill was, and the sums that prove it.

What the sums are called is the server's (server/ledger/bill.py): stack and server import nothing of
each other, and a unit test holds the two together.
"""

import datetime
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.errors import Fault
from stack.upkeep import money, state_files

PARTS = ("idle", "start_up", "stall", "lost")
REQUESTS, IN_FLIGHT, UNKNOWN = "requests", "in_flight", "unattributed"
MONTHS_KEPT = 13
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_USAGE = 2


@dataclass(frozen=True)
class Line:
    """What a share of the bill was for; nanodollars, `listed` by the price list if it is that."""

    part: str
    tenant: str
    model: str
    nanodollars: int
    listed: int | None = None


@dataclass(frozen=True)
class Check:
    """Two sums of the books that were kept apart, in nanodollars, and that have to be one."""

    what: str
    summed: int
    kept: int

    @property
    def good(self) -> bool:
        """True where they agree to the nanodollar."""
        return self.summed == self.kept


@dataclass(frozen=True)
class Bill:
    """A month's bill by what it was for; `notes` say what is not in it."""

    month: str
    lines: tuple[Line, ...]
    nanodollars: int
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def adds_up(self) -> bool:
        """True when every sum agrees."""
        return all(check.good for check in self.checks)


def asked(named: str, now: datetime.datetime) -> str:
    """The month that is meant, this one by default; raises Fault for none and for one to come."""
    this = f"{now.astimezone(datetime.UTC):%Y-%m}"
    month = named or this
    if not _MONTH.fullmatch(month):
        raise Fault(f"MONTH={month} is no month", f"write it as MONTH={this}", _USAGE)
    if month > this:
        raise Fault(f"MONTH={month} has not begun", f"this one is {this} (UTC)", _USAGE)
    return month


def read(state: Mapping[str, bytes], where: str, month: str, now: datetime.datetime) -> Bill:
    """The month's bill out of a server's state; raises Fault where it is not in the books."""
    money.check(state, where)
    try:
        months = _months(json.loads(state[state_files.LEDGER])["periods"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        said = f"{state_files.LEDGER} in {where} has no months"
        raise Fault(said, "a server of this release writes them at its start") from error
    if month not in months:
        held = ", ".join(sorted(months)) or "none yet"
        raise Fault(f"the books in {where} hold no bill of {month}", f"they hold {held}")
    sums = months[month]
    lines = tuple(_lines(sums))
    return Bill(month, lines, sums["bill"], _checks(sums, lines), tuple(_notes(months, month, now)))


def _months(periods: Mapping[str, Any]) -> dict[str, Counter[str]]:
    found = {str(month): Counter(_whole(sums)) for month, sums in periods["month"].items()}
    # What may be dated again after a jump of the clock is not in its month yet.
    for stretch in periods["stretches"]:
        found.setdefault(stretch["day"][:7], Counter()).update(_whole(stretch["sums"]))
    return found


def _whole(sums: Mapping[str, Any]) -> dict[str, int]:
    if not all(type(amount) is int and amount >= 0 for amount in sums.values()):
        raise ValueError("an amount of the books is no whole number")
    return dict(sums)


def _of(sums: Mapping[str, int], kind: str) -> dict[tuple[str, str], int]:
    """The sums by tenant and model; no tenant's name has a slash, a model's may."""
    found = (what.removeprefix(kind).partition("/") for what in sums if what.startswith(kind))
    return {(tenant, model): sums[f"{kind}{tenant}/{model}"] for tenant, _, model in found}


def _lines(sums: Counter[str]) -> list[Line]:
    used, sold = _of(sums, "used/"), _of(sums, "sold/")
    whose = sorted({*used, *sold}, key=lambda who: (-used.get(who, 0), who))
    # Requests that were refused, or of no such model, used nothing and were sold nothing.
    lines = [
        Line(REQUESTS, *who, used.get(who, 0), sold.get(who))
        for who in whose
        if used.get(who) or who in sold
    ]
    lines += [Line(part, "", "", sums[f"part/{part}"]) for part in PARTS]
    unsold = sums["spend"] - sum(sold.values())
    rest = {IN_FLIGHT: sums["paid"] - sums["booked"], UNKNOWN: sums["bill"] - sums["known"]}
    lines += [
        Line(what, "", "", amount, unsold if what == UNKNOWN and unsold else None)
        for what, amount in rest.items()
        if amount or (what == UNKNOWN and unsold)
    ]
    return lines


def _checks(sums: Counter[str], lines: tuple[Line, ...]) -> tuple[Check, ...]:
    requests = sum(line.nanodollars for line in lines if line.part == REQUESTS)
    by_tenant = sum(amount for what, amount in sums.items() if what.startswith("spend/"))
    given_up = sums["booked"] - requests
    return (
        Check("all lines = the bill", sum(line.nanodollars for line in lines), sums["bill"]),
        # What was settled and never recorded is among what was lost, and is no more than that.
        Check("settled and given up <= lost", min(max(given_up, 0), sums["part/lost"]), given_up),
        Check("known <= the bill", min(sums["known"], sums["bill"]), sums["known"]),
        Check("price list by tenant = in all", by_tenant, sums["spend"]),
        Check("price list by model <= in all", *_at_most(sums)),
    )


def _at_most(sums: Counter[str]) -> tuple[int, int]:
    sold = sum(_of(sums, "sold/").values())
    return min(sold, sums["spend"]), sold


def _notes(months: Mapping[str, Counter[str]], month: str, now: datetime.datetime) -> list[str]:
    sums, notes = months[month], []
    if month == f"{now.astimezone(datetime.UTC):%Y-%m}":
        notes.append(f"{month} is not over: this is its bill so far")
    if month == min(months) and len(months) < MONTHS_KEPT:
        notes.append(f"the books begin in {month}: what ran before their first day is not in them")
    if sums["bill"] != sums["known"] or sums["spend"] != sum(_of(sums, "sold/").values()):
        notes.append(
            f"{month} is known in part: {UNKNOWN} is of a server of before this release, "
            "whose books did not tell whose a month was"
        )
    if not sums["bill"]:
        notes.append("no device time was paid for: the device has no price, or nothing ran")
    return notes
