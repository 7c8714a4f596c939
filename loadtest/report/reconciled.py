"""What the report takes from whoever held the run against the server's own signals."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from loadtest.rows import Row, Run

REFUSED = "client_error"


class Reconciliation(Protocol):
    """Whether client and server tell the same story of each request, by trace id."""

    @property
    def exact(self) -> bool:
        """True when all witnesses agree."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What was compared and found, for people."""

    @property
    def costs(self) -> Mapping[str, float]:
        """What each request cost by the price list, microdollars; absent where not known."""

    @property
    def outcomes(self) -> Mapping[str, str]:
        """How each request ended for the server; absent where not known."""

    @property
    def unseen(self) -> Collection[str]:
        """The requests that the server has no record of."""


Reconcile: TypeAlias = Callable[[Path, Sequence[Row], Run], Reconciliation]


@dataclass(frozen=True)
class Costs:
    """Microdollars by trace id, and the requests that ran nowhere and so have no cost."""

    by_trace: Mapping[str, float]
    nowhere: Collection[str] = ()

    def of(self, row: Row) -> float | None:
        """The request's cost; None where it is not known, and where it has none."""
        return self.by_trace.get(row.trace_id)

    def is_missing(self, row: Row) -> bool:
        """True for a request that ran, or may have run, and whose cost is not known."""
        ran = row.outcome != REFUSED and row.trace_id not in self.nowhere
        return ran and row.trace_id not in self.by_trace


def costs_of(reconciliation: Reconciliation) -> Costs:
    """What the run's requests cost; only witnesses that agree can tell that one ran nowhere."""
    nowhere = reconciliation.unseen if reconciliation.exact else ()
    return Costs(reconciliation.costs, nowhere)
