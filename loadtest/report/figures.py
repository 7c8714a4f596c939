"""What a set of requests shows: latencies, tokens, goodput, ends, cost, judgements."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtest.objectives import (
    MEASURED,
    Judgement,
    Objective,
    is_good,
    is_judged,
    judgements,
)
from loadtest.report.reconciled import REFUSED, Costs
from loadtest.report.spreads import Spread, spread
from loadtest.rows import Row, Stage


@dataclass(frozen=True)
class Ending:
    """A way in which requests ended other than well, and how many did."""

    outcome: str
    ended_as: str
    provoked: bool
    count: int


@dataclass(frozen=True)
class Tokens:
    """What the server's `usage` says; of requests `without` it nothing is known."""

    input: int
    output: int
    without: int


@dataclass(frozen=True)
class Cost:
    """The sum by the price list in microdollars, and how many requests it does and does not hold.

    One that used no token, as a refused one, is in neither count.
    """

    microdollars: float
    known: int
    unknown: int

    @property
    def whole(self) -> float | None:
        """The sum where it holds every request; else None."""
        return self.microdollars if self.known and not self.unknown else None


@dataclass(frozen=True)
class Figures:
    """The figures of requests over `seconds`; `good` ones are inside every objective."""

    seconds: float
    requests: int
    provoked: int
    good: int
    good_tokens: int | None
    tokens: Tokens
    latencies: Mapping[str, Spread | None]
    ends: tuple[Ending, ...]
    cost: Cost
    judgements: tuple[Judgement, ...]

    def per_second(self, count: float | None) -> float | None:
        """A count over the seconds; None where either is not known."""
        return count / self.seconds if count is not None and self.seconds > 0 else None

    @property
    def met(self) -> bool | None:
        """True when every objective that could be judged is met; None where none could be."""
        known = [each.met for each in self.judgements if each.met is not None]
        return all(known) if known else None

    @property
    def microdollars_per_1k_good_tokens(self) -> float | None:
        """What 1,000 good output tokens cost, all requests paid for; None where not known."""
        whole = self.cost.whole
        return None if whole is None or not self.good_tokens else whole / self.good_tokens * 1000


def elapsed(rows: Iterable[Row], stages: Sequence[Stage]) -> float:
    """Seconds from the stages' begin to their end, or to that of the last answer if it is later.

    Over the stages alone, what was answered in an overload's tail would count as if in time.
    """
    ends = [row.request_end_ns for row in rows if row.outcome == "ok"]
    ends += [stage.begun_ns + round(stage.seconds * 1e9) for stage in stages]
    return (max(ends) - min(stage.begun_ns for stage in stages)) / 1e9 if stages else 0.0


def figures(
    rows: Sequence[Row],
    seconds: float,
    objectives: Sequence[Objective],
    costs: Costs,
) -> Figures:
    """The figures of the rows over so many seconds."""
    judged = [row for row in rows if is_judged(row)]
    good = [row for row in judged if is_good(objectives, row)]
    return Figures(
        seconds=seconds,
        requests=len(rows),
        provoked=len(rows) - len(judged),
        good=len(good),
        good_tokens=_all_tokens(good),
        tokens=_tokens(rows),
        latencies=_latencies(judged),
        ends=_ends(rows),
        cost=_cost(rows, costs),
        judgements=judgements(objectives, rows),
    )


def _all_tokens(good: Iterable[Row]) -> int | None:
    counts = [row.output_tokens for row in good]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _tokens(rows: Iterable[Row]) -> Tokens:
    sent = made = without = 0
    for row in rows:
        if row.input_tokens is not None and row.output_tokens is not None:
            sent, made = sent + row.input_tokens, made + row.output_tokens
        elif row.outcome != REFUSED:
            without += 1
    return Tokens(sent, made, without)


def _latencies(judged: Sequence[Row]) -> dict[str, Spread | None]:
    firsts = (row.ttft_seconds for row in judged)
    per_token = MEASURED["time_per_output_token"]
    return {
        "ttft": spread(value for value in firsts if value is not None),
        "itl": spread(gap for row in judged for gap in row.gaps_seconds),
        "tpot": spread(value for row in judged for value in per_token(row)),
        "end_to_end": spread(row.seconds for row in judged if row.outcome == "ok"),
        "end_to_end_of_failed": spread(row.seconds for row in judged if row.outcome != "ok"),
    }


def _ends(rows: Iterable[Row]) -> tuple[Ending, ...]:
    bad = (row for row in rows if row.outcome != "ok")
    counts = Counter((row.provoked, row.outcome, row.ended_as) for row in bad)
    ordered = sorted(counts.items(), key=lambda pair: (pair[0][0], -pair[1], pair[0]))
    return tuple(
        Ending(outcome, words, provoked, count) for (provoked, outcome, words), count in ordered
    )


def _cost(rows: Iterable[Row], costs: Costs) -> Cost:
    found = [(costs.of(row), costs.is_missing(row)) for row in rows]
    known = [cost for cost, _ in found if cost is not None]
    return Cost(math.fsum(known), len(known), sum(missing for _, missing in found))
