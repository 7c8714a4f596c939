"""What the report takes from whoever held the run against the server's own signals."""

from collections.abc import Callable, Mapping, Sequence
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
    def contradicted(self) -> bool:
        """True when two witnesses say what cannot both be true."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What was compared and found, for people."""

    @property
    def costs(self) -> Mapping[str, float]:
        """What each request cost by the price list, microdollars; absent where not known."""

    @property
    def outcomes(self) -> Mapping[str, tuple[str, str]]:
        """How each request ended for the server, outcome and reason; absent where not known."""


Reconcile: TypeAlias = Callable[[Path, Sequence[Row], Run], Reconciliation]


@dataclass(frozen=True)
class Costs:
    """Microdollars by trace id; `exact` where the server's records of all requests are known."""

    by_trace: Mapping[str, float]
    exact: bool

    def of(self, row: Row) -> float | None:
        """The request's cost; None where it is not known, and where it has none."""
        return self.by_trace.get(row.trace_id)

    def is_missing(self, row: Row) -> bool:
        """True for a request that used a token, or may have, and whose cost is not known."""
        if row.trace_id in self.by_trace or row.outcome == REFUSED:
            return False
        # A record without a cost is of a request that used no token, or whose model has no price;
        # an answer used some. Without all records, nothing tells what a failure used.
        return row.outcome == "ok" or not self.exact


def costs_of(reconciliation: Reconciliation) -> Costs:
    """What the run's requests cost."""
    return Costs(reconciliation.costs, reconciliation.exact)
