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
