"""What happens in the day of the pictures, and when: its callers, a load test, one incident.

The incident has one cause, and the engine's queue (engine.py) makes everything else of it: from
15:34 on, for 25 minutes, the tenant `ember` sends long documents. They fill the KV cache, so
requests wait, first tokens come late, some run into the deadline and some are refused.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from random import Random
from typing import TypeAlias

from tests.bench.day_requests import TENANTS

DAY = 1_782_864_000.0
"""2026-07-01 0:00 UTC: the first of a month, so that the month's numbers are this day's."""
HOURS = 16.0
END = DAY + HOURS * 3600
"""Fixed, not now: a second run draws the same pictures, clocks and all."""


@dataclass(frozen=True)
class Span:
    """A stretch of time, Unix seconds."""

    start: float
    end: float

    def __contains__(self, moment: float) -> bool:
        """Tell whether the moment lies in it."""
        return self.start <= moment < self.end

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


INCIDENT = Span(END - 25.5 * 60, END - 0.5 * 60)
"""25 minutes; the pictures are taken at its end."""
LOAD = Span(DAY + 9 * 3600, DAY + 9 * 3600 + 16 * 60)
"""When the load test ran: a ramp in the quiet of the morning."""
SHOWN = Span(END - 3600, END)
"""What the pictures show; of the load test's board, `SHOWN_LOAD`."""
SHOWN_LOAD = Span(LOAD.start - 120, LOAD.end - 15)
CULPRIT = "ember"
"""The tenant whose documents fill the cache."""
RATES = (1.0, 2.0, 3.0, 4.0)
"""Visits a second, by the load test's stages."""
_DENSE_SECONDS, _SPARSE_SECONDS = 5.0, 60.0
_LEAD_SECONDS = 300.0
"""Before what is shown, as boards and rules look back from its first point."""


@dataclass(frozen=True)
class Ask:
    """What a caller asks for: when, whose, how many tokens, and whether the engine gets it.

    `cached` are of `read`, `refused` is the reason of a request that is wrong, `leaves` the share
    of its answer after which its caller hangs up (1: never).
    """

    at: float
    tenant: str
    read: int
    cached: int
    made: int
    chat: bool
    stream: bool
    refused: str = ""
    leaves: float = 1.0
    load: bool = False


def is_dense(moment: float) -> bool:
    """Tell whether a scrape each 5 s is kept, as the stack makes them; else one a minute is."""
    return any(each.start - _LEAD_SECONDS <= moment <= each.end for each in (SHOWN, SHOWN_LOAD))


def moments(start: float = DAY, end: float = END) -> list[float]:
    """When the day is scraped, the last time at its end."""
    found = [start + _DENSE_SECONDS]
    while found[-1] < end:
        now = found[-1]
        step = (
            _DENSE_SECONDS if is_dense(now) or is_dense(now + _SPARSE_SECONDS) else _SPARSE_SECONDS
        )
        found.append(now + step)
    return found


def usual_rate(moment: float) -> float:
    """Requests a second of the callers of every day: few at night, most in the afternoon."""
    hour = (moment - DAY) / 3600 % 24
    return 0.35 + 0.85 * (1 - math.cos((hour - 3) / 24 * 2 * math.pi)) / 2


def asks(seed: int, start: float = DAY, end: float = END) -> Iterator[Ask]:
    """All that is asked of the server, by time; the same for the same seed."""
    streams = (
        _stream(Random(f"{seed} usual"), Span(start, end), usual_rate, _usual),
        _stream(Random(f"{seed} load"), LOAD, load_rate, _load),
        _stream(Random(f"{seed} incident"), INCIDENT, incident_rate, _document),
    )
    return merge(*streams, key=lambda ask: ask.at)


def load_rate(moment: float) -> float:
    """What the load test's stage asks for; 0 where there is none."""
    stage = stage_of(moment)
    return 0.0 if stage is None else RATES[stage]


def stage_of(moment: float) -> int | None:
    """The number of the load test's stage."""
    if moment not in LOAD:
        return None
    return int((moment - LOAD.start) / LOAD.seconds * len(RATES))


def incident_rate(moment: float) -> float:
    """Documents a second: more than the engine has room for, by a little."""
    return 0.19 if moment in INCIDENT else 0.0


Rate: TypeAlias = Callable[[float], float]
Make: TypeAlias = Callable[[Random, float], Ask]


def _stream(dice: Random, span: Span, rate: Rate, make: Make) -> Iterator[Ask]:
    """Poisson arrivals at a rate that changes: more than enough of them, thinned."""
    most, at = max(RATES), span.start
    while (at := at + dice.expovariate(most)) < span.end:
        kept, ask = dice.random() * most < rate(at), make(dice, at)
        if kept:
            yield ask


_REFUSED = (("bad_request", 0.006), ("auth", 0.003), ("unknown_model", 0.003))


def _usual(dice: Random, at: float) -> Ask:
    read = 16 + min(int(dice.lognormvariate(math.log(550), 0.9)), 6000)
    share = dice.random() * 0.9 if dice.random() < 0.45 else 0.0
    luck = dice.random()
    refused = next((why for why, much in _steps(_REFUSED) if luck < much), "")
    return Ask(
        at,
        dice.choices(TENANTS, [1 / rank for rank in range(1, len(TENANTS) + 1)])[0],
        read,
        int(read * share / 16) * 16,
        1 + min(int(dice.lognormvariate(math.log(240), 0.8)), 1024),
        chat=dice.random() < 0.85,
        stream=dice.random() < 0.8,
        refused=refused,
        leaves=dice.random() if dice.random() < 0.012 else 1.0,
    )


def _steps(shares: tuple[tuple[str, float], ...]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for why, share in shares:
        total += share
        yield why, total


def _document(dice: Random, at: float) -> Ask:
    read = 6000 + int(dice.random() * 8000)
    return Ask(at, CULPRIT, read, 16, 350 + int(dice.random() * 300), chat=False, stream=False)


def _load(dice: Random, at: float) -> Ask:
    read, made = 200 + int(dice.random() * 300), 60 + int(dice.random() * 120)
    return Ask(at, "other", read, 0, made, chat=True, stream=True, load=True)
