"""The requests that their clients waited longest for, each with where its trace and records are."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grafana.pictures.stores import Stores
from loadtest.objectives import is_judged
from loadtest.rows import Row
from stack.stores.protocol import Window

MOST = 10
MARGIN_SECONDS = 60.0
"""How long before its start and after its end a request's records are looked for."""


@dataclass(frozen=True)
class Worst:
    """One request; its links are empty where no store is known."""

    row: Row
    trace: str = ""
    logs: str = ""


@dataclass(frozen=True)
class Ranking:
    """The worst first, by the whole time and by the time to the first token."""

    by_seconds: tuple[Worst, ...]
    by_ttft: tuple[Worst, ...]


def ranking(rows: Iterable[Row], stores: Stores | None) -> Ranking:
    """The ten worst of each kind, those that were made to fail left out."""
    judged = [row for row in rows if is_judged(row)]
    streamed = [row for row in judged if row.ttft_seconds is not None]
    return Ranking(
        _most(judged, lambda row: row.seconds, stores),
        _most(streamed, lambda row: row.ttft_seconds or 0.0, stores),
    )


def _most(
    rows: Iterable[Row], size: Callable[[Row], float], stores: Stores | None
) -> tuple[Worst, ...]:
    return tuple(_linked(row, stores) for row in heapq.nlargest(MOST, rows, key=size))


def _linked(row: Row, stores: Stores | None) -> Worst:
    if stores is None:
        return Worst(row)
    start, end = row.intended_start_ns / 1e9, row.request_end_ns / 1e9
    window = Window(start - MARGIN_SECONDS, end + MARGIN_SECONDS)
    return Worst(row, stores.traces.page(row.trace_id), stores.logs.page(row.trace_id, window))
