"""How long each panel of each board takes to ask, at 1 h, 6 h and 24 h: medians and limits."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grafana.pictures import evaluate
from grafana.pictures.board import Board, Panel, load
from grafana.pictures.stores import Stores
from stack.say import Ticker

HOURS = (1, 6, 24)
"""Time ranges that boards are opened with."""
_EMBEDDED: Mapping[int, float] = {24: 2.0}
_FOUND: Mapping[int, float] = {1: 1.0, 24: 5.0}
LIMITS = {
    "prometheus": _EMBEDDED,
    "victorialogs": _EMBEDDED,
    "jaeger": _EMBEDDED,
    "loki": _FOUND,
    "tempo": _FOUND,
}
"""The most seconds that a panel may take, by hours; of one that asks several stores the largest."""


@dataclass(frozen=True)
class Timing:
    """One round: the seconds of all queries of a panel, what failed, whether nothing was found."""

    seconds: float
    error: str
    empty: bool


@dataclass
class Row:
    """One panel: the names of the stores that it asks, and every round's timing by hours."""

    board: str
    panel: str
    stores: frozenset[str]
    rounds: dict[int, list[Timing]] = field(default_factory=dict)

    def median(self, hours: int) -> float:
        """Seconds, the median of the rounds."""
        return statistics.median(each.seconds for each in self.rounds[hours])

    @property
    def empty(self) -> bool:
        """True when there was never anything to show, which is found sooner than data."""
        return all(each.empty for found in self.rounds.values() for each in found)

    def faults(self) -> Iterator[str]:
        """What is wrong, a line each: a query that failed, a median above its limit."""
        for hours, found in self.rounds.items():
            where = f"{self.board} / {self.panel} at {hours} h"
            most = max(LIMITS[store].get(hours, float("inf")) for store in self.stores)
            if error := next((each.error for each in found if each.error), ""):
                yield f"{where}: {error}"
            elif self.median(hours) > most:
                asked = ", ".join(sorted(self.stores))
                yield f"{where}: {self.median(hours):.2f} s, at most {most:g} s of {asked}"


Rows = dict[tuple[str, int], Row]
"""By the board's uid and the panel's place on it."""


def measure(
    stores: Stores, end: float, hours: Sequence[int], rounds: int, shown: Ticker
) -> list[Row]:
    """Ask for every panel of the time before `end` (Unix seconds), `rounds` times each range."""
    boards, rows = load(), Rows()
    for length in hours:
        for number in range(1, rounds + 1):
            for board in boards:
                shown.label = f"{length} h, round {number} of {rounds}, {board.title}"
                _ask(stores, board, end, length, rows)
    return list(rows.values())


def _ask(stores: Stores, board: Board, end: float, hours: int, rows: Rows) -> None:
    page = evaluate.page(stores, board, end, {}, seconds=hours * 3600.0)
    for place, answer in enumerate(page.answers):
        if asked := _asked(stores, answer.panel):
            new = Row(board.title, answer.panel.title, asked)
            row = rows.setdefault((board.uid, place), new)
            timing = Timing(answer.seconds, answer.error, answer.data.empty)
            row.rounds.setdefault(hours, []).append(timing)


def _asked(stores: Stores, panel: Panel) -> frozenset[str]:
    """The names of the stores that a panel asks, where its JSON has Grafana's names of sources."""
    names = {"prometheus": "prometheus", "loki": stores.logs.name, "tempo": stores.traces.name}
    return frozenset(names[target["datasource"]["uid"]] for target in panel.targets)
