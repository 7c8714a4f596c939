"""`make bill MONTH=2026-11 FORMAT=csv`: a month by tenant and model, and the sums that prove it."""

import datetime
import sys
from collections.abc import Callable

from stack.errors import Fault
from stack.say import aside, paint, say, title, visible
from stack.settings import Settings
from stack.upkeep import focus, month, places
from stack.upkeep.month import Bill

FORMATS = ("table", "csv", "json")
_NAME = 28


def bill(settings: Settings) -> int:
    """Print the bill of MONTH (UTC); returns 0 when it adds up; raises Fault.

    As CSV and JSON it stands alone on standard output, what proves it on standard error.
    """
    form = settings.values.get("FORMAT") or FORMATS[0]
    if form not in FORMATS:
        raise Fault(f"FORMAT={form} is unknown", f"use FORMAT={'|'.join(FORMATS)}", 2)
    now = datetime.datetime.now(datetime.UTC)
    wanted = month.asked(settings.values.get("MONTH", ""), now)
    place = places.find(settings)
    found = month.read(place.read(), place.words, wanted, now)
    if form == "table":
        _table(found)
        _prove(found, say)
    else:
        sys.stdout.write(focus.to_csv(found) if form == "csv" else focus.to_json(found))
        _prove(found, aside)
    if not found.adds_up:
        raise Fault(f"the bill of {wanted} does not add up", "see docs/cost.md, A month's bill")
    return 0


def _table(found: Bill) -> None:
    title(f"Bill of {found.month} (UTC), dollars")
    say(f"  {'tenant':<{_NAME}} {'model':<{_NAME}} {'device time':>18} {'price list':>18}")
    for line in found.lines:
        whose = visible(line.tenant) or paint(line.part, "dim")
        listed = "" if line.listed is None else focus.dollars(line.listed)
        amount = focus.dollars(line.nanodollars)
        say(f"  {whose:<{_NAME}} {visible(line.model):<{_NAME}} {amount:>18} {listed:>18}")
    say(f"  {'the bill':<{_NAME}} {'':<{_NAME}} {focus.dollars(found.nanodollars):>18}")


def _prove(found: Bill, tell: Callable[[str], None]) -> None:
    tell("")
    tell(f"Sums of {found.month}, nanodollars")
    for part, amount in _parts(found).items():
        tell(f"    {part:<30} {amount:>24,}")
    for check in found.checks:
        mark = paint("✓", "green") if check.good else paint("✗", "red")
        tell(f"  {mark} {check.what:<30} {check.summed:>24,} {check.kept:>24,}")
    for note in found.notes:
        tell(f"  note: {note}")


def _parts(found: Bill) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in found.lines:
        sums[line.part] = sums.get(line.part, 0) + line.nanodollars
    return sums
