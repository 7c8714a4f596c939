"""Client against server over a whole run, request by request and in sum: exact, or in what not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest.reconcile import findings
from loadtest.reconcile.counters import bounds, of_counters
from loadtest.reconcile.each_request import of_ends, of_records, of_spans
from loadtest.reconcile.evidence import PATIENCE_SECONDS, gather
from loadtest.reconcile.findings import Remark
from loadtest.reconcile.first_token import of_first_tokens
from loadtest.reconcile.joined import Joined, reason
from loadtest.reconcile.lives import Scrapes, died_beside, growth
from loadtest.reconcile.price_check import costs, of_costs, price_list
from loadtest.reconcile.prometheus import Prometheus
from loadtest.reconcile.unmatched import Unmatched, of_unmatched, unmatched
from loadtest.rows import Row, Run
from server.pricing.price_list import PriceList
from stack.settings import load
from stack.stores.protocol import LogStore, TraceStore
from stack.stores.running import stores

PAGE = "reconciliation.txt"
"""Every finding with every request that it speaks of, in the run's folder."""
_REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Witnesses:
    """Everybody who is asked; `prices` is in words why there is no price list."""

    logs: LogStore
    traces: TraceStore
    scrapes: Scrapes
    prices: PriceList | str


@dataclass(frozen=True)
class Reconciliation:
    """What came of it; `exact` is True when all was read, compared and equal.

    `lines` are the findings, each behind a mark: ✓ equal, ✗ not, ? nothing that was read can tell,
    · told and not compared. By trace id: `costs` in microdollars by the price list, and `outcomes`
    as (outcome, reason), both in the server's words. `unseen` were sent and the server has no
    record of them, `strangers` are of nobody in this run, `killed` died with the server.
    """

    exact: bool
    lines: tuple[str, ...]
    costs: Mapping[str, float]
    outcomes: Mapping[str, tuple[str, str]]
    unseen: tuple[str, ...]
    strangers: tuple[str, ...]
    killed: tuple[str, ...]
    page: str

    @property
    def contradicted(self) -> bool:
        """True where two witnesses say what cannot both be true, restarts or not."""
        return any(line.startswith(findings.DIFFERS) for line in self.lines)


def reconcile(folder: Path, rows: Sequence[Row], run: Run) -> Reconciliation:
    """Hold all rows of a run against the stores of the running stack, and leave PAGE in the folder.

    Takes a minute at most while telemetry is on its way. Raises Fault for an unreadable `.env` and
    OSError where the page cannot be written.
    """
    settings = load(_REPO)
    found = stores(settings)
    asked = Witnesses(found.logs, found.traces, Prometheus(), price_list(settings))
    result = compare(rows, run, asked)
    (folder / PAGE).write_text(result.page, encoding="utf-8")
    return result


def compare(
    rows: Sequence[Row], run: Run, asked: Witnesses, patience: float = PATIENCE_SECONDS
) -> Reconciliation:
    """Hold all rows of a run against these witnesses; waits `patience` seconds at most."""
    evidence = gather(asked.logs, asked.traces, rows, run, patience)
    requests = evidence.join(rows)
    killed = tuple(each.row.trace_id for each in requests if each.was_killed)
    apart = unmatched(evidence, requests, run)
    found = [Remark(findings.UNTOLD, f"not all was read: {why}") for why in evidence.silent]
    if not rows:
        found.append(Remark(findings.UNTOLD, "the run has no request"))
    if evidence.records is not None:
        grown = growth(run, asked.scrapes, bool(killed))
        due = bounds(evidence, {row.trace_id for row in rows}, run, grown)
        beside = [
            replace(each, dying=died_beside(grown, each.row.request_end_ns)) for each in requests
        ]
        found += _of_requests(beside, apart, grown.restarted, asked.prices)
        found += [*_unknown(killed), *of_unmatched(apart), *of_counters(due, grown)]
    ends = [(each.row.trace_id, each.records[0]) for each in requests if each.records]
    return Reconciliation(
        exact=all(each.is_exact for each in found),
        lines=tuple(each.line for each in found),
        costs=costs(requests),
        outcomes={trace: (str(one.fields.get("outcome")), reason(one)) for trace, one in ends},
        unseen=apart.unseen,
        strangers=apart.stranger_ids,
        killed=killed,
        page="".join(f"{each.page}\n" for each in found),
    )


def _of_requests(
    requests: Sequence[Joined], apart: Unmatched, restarted: bool, prices: PriceList | str
) -> list[Remark]:
    named = [each for each in requests if each.row.trace_id not in apart.nameless]
    return [
        *of_records(named),
        *of_ends(named, restarted),
        *of_spans(named),
        *of_costs(named, prices),
        *of_first_tokens(named),
    ]


def _unknown(killed: Sequence[str]) -> list[Remark]:
    text = "died with the server, their tokens and cost known to nobody and in no sum"
    return [Remark(findings.UNTOLD, f"{text}: {len(killed):,}", tuple(killed))] if killed else []
