"""The bill's words: what device time was for, and books of integer nanodollars by that."""

from collections import Counter
from enum import StrEnum
from typing import TypeAlias


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
"""Nanodollars by key, since the books were opened."""

SPEND, BILL = "spend", "bill"
"""Sums of a day or month: by the price list, and all device time."""
KNOWN, PAID, BOOKED = "known", "paid", "booked"
"""Of the bill: what the books tell the use of (versions before did not); what was paid when a
request was settled; and what of that was booked when it was recorded, or lost.

    known = each part + each use + paid - booked,   to the nanodollar, in every stretch of time
"""
_PART, _USED, _SOLD = "part/", "used/", "sold/"
DETAILS = (KNOWN, PAID, BOOKED, _PART, _USED, _SOLD)
"""How the sums begin that a month has and a day has not."""


def part(what: Part) -> str:
    """The sum of a part of the bill that no request used."""
    return f"{_PART}{what.value}"


def used(tenant: str, model: str) -> str:
    """The sum of the device time of a tenant's requests to a model; no tenant's name has a `/`."""
    return f"{_USED}{tenant}/{model}"


def sold(tenant: str, model: str) -> str:
    """The same by the price list."""
    return f"{_SOLD}{tenant}/{model}"
