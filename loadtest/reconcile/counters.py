"""Holds the growth of the server's counters against the records of the same time.

Own records count wherever they stand in time. What others sent counts within the run's times; what
of theirs lies within a few seconds of an end, an own record younger than the run's end and whatever
lies in a gap (lives.py) may have been counted or not: that much may the two differ.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from loadtest.reconcile import findings, tally
from loadtest.reconcile.evidence import EDGE_SECONDS, Evidence
from loadtest.reconcile.findings import Remark
from loadtest.reconcile.lives import Growth
from loadtest.reconcile.tally import COST, Tally
from loadtest.rows import Run
from stack.stores.protocol import LogRecord

_EDGE_NS = int(EDGE_SECONDS * 1e9)


@dataclass(frozen=True)
class Bounds:
    """What the records say the counters grew by, and at least and at most."""

    expected: Tally
    least: Tally
    most: Tally


def bounds(evidence: Evidence, own: Collection[str], run: Run, growth: Growth) -> Bounds:
    """What the counters should have grown by."""
    first, last = run.started_ns, run.ended_ns

    def is_own(record: LogRecord) -> bool:
        return record.fields.get("trace_id") in own

    def is_counted(record: LogRecord) -> bool:
        return is_own(record) or first <= record.time_ns <= last

    def is_sure(record: LogRecord) -> bool:
        if any(begin <= record.time_ns < end for begin, end in growth.gaps):
            return False
        if is_own(record):
            return record.time_ns <= last
        return first + _EDGE_NS <= record.time_ns <= last - _EDGE_NS

    def is_possible(record: LogRecord) -> bool:
        return is_own(record) or first - _EDGE_NS <= record.time_ns <= last + _EDGE_NS

    def of(kind: Callable[[LogRecord], bool]) -> Tally:
        return tally.of_records(record for record in evidence.records or () if kind(record))

    return Bounds(of(is_counted), of(is_sure), of(is_possible))


def of_counters(found: Bounds, growth: Growth) -> list[Remark]:
    """Each counter by its labels against the records, and why it may differ."""
    if growth.tally is None:
        text = f"the counters are held against nothing: {growth.why}"
        return [Remark(findings.UNTOLD, text)]
    names = sorted({**growth.tally, **found.expected})
    off = {COST: growth.rounding}
    judged = [_one(name, growth.tally.get(name, 0.0), found, off.get(name, 0.0)) for name in names]
    said = [one for one in judged if one is not None]
    return [*said, *_restarts(growth)]


def _one(name: str, grown: float, found: Bounds, off: float) -> Remark | None:
    expected, least, most = (
        each.get(name, 0.0) for each in (found.expected, found.least, found.most)
    )
    if not (grown or expected):
        return None
    text = f"{name}: counted {_amount(grown)}, by the records {_amount(expected)}"
    if abs(grown - expected) <= off:
        return Remark(findings.AGREES, text)
    if least - off <= grown <= most + off:
        why = f"which of {_amount(least)} to {_amount(most)} were counted nobody can tell"
        return Remark(findings.UNTOLD, f"{text}: {why}")
    return Remark(findings.DIFFERS, f"{text}, {_amount(grown - expected)} apart")


def _amount(value: float) -> str:
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def _restarts(growth: Growth) -> list[Remark]:
    if not growth.restarted:
        return []
    seconds = sum(end - begin for begin, end in growth.gaps) / 1e9
    text = (
        f"restarts of the server in the run: {len(growth.gaps)}; what was counted in the "
        f"{seconds:.1f} s between a last scrape and the next process may be in no counter"
    )
    return [Remark(findings.NOTE, text, growth.noted)]
