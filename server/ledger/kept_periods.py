"""What the calendar keeps on disk: sums by day and month, and stretches that a jump may redate."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

STRETCH_SECONDS = 3600.0
"""How finely what was booked can be dated again after a jump."""
Amount = Annotated[int, msgspec.Meta(ge=0)]
Sums = dict[str, dict[str, Amount]]
"""Nanodollars by day or month, and by what they were (server/ledger/bill.py)."""


class Stretch(msgspec.Struct, forbid_unknown_fields=True):
    """What was booked on one day from `begun` to `ended` (CLOCK_BOOTTIME, s).

    They are STRETCH_SECONDS apart at most.
    """

    begun: float
    day: str
    sums: dict[str, Amount]
    ended: float = 0.0


class KeptPeriods(msgspec.Struct, forbid_unknown_fields=True):
    """What the next process is to be given.

    `boot` says whose CLOCK_BOOTTIME it was, `ahead` by how many seconds the clock was ahead of it
    when the stretches were dated, `offsets` by how many it had been, and since when (0: the first).
    """

    day: Sums = {}
    month: Sums = {}
    boot: str = ""
    ahead: float = 0.0
    stretches: list[Stretch] = []
    offsets: list[tuple[float, float]] = []


def copies(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of their own, each with an end."""
    # A file of the version before tells no end: it may be as late as can be.
    return [
        Stretch(s.begun, s.day, dict(s.sums), s.ended or s.begun + STRETCH_SECONDS)
        for s in stretches
    ]
