"""What one side knows and the other does not: rows without a record, records without a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.reconcile import findings
from loadtest.reconcile.evidence import Evidence
from loadtest.reconcile.findings import Remark
from loadtest.reconcile.joined import Joined, reason
from loadtest.reconcile.tally import is_listing
from loadtest.rows import Run
from stack.stores.protocol import LogRecord

_REFUSED = 401


@dataclass(frozen=True)
class Unmatched:
    """Rows the server has no record of, records of requests that nobody in the run sent.

    `nameless` are rows that the server answered under an id of its own: it continues no trace of a
    caller without a known key. They stand in neither list where they are as many on both sides.
    """

    unseen: tuple[str, ...] = ()
    strangers: tuple[LogRecord, ...] = ()
    nameless: frozenset[str] = frozenset()

    @property
    def stranger_ids(self) -> tuple[str, ...]:
        """Their trace ids, by time."""
        return tuple(str(record.fields.get("trace_id", "")) for record in self.strangers)


def unmatched(evidence: Evidence, requests: Sequence[Joined], run: Run) -> Unmatched:
    """Both lists; empty where the records could not be read."""
    if evidence.records is None:
        return Unmatched()
    own = {request.row.trace_id for request in requests}
    strangers = [
        record
        for record in evidence.records
        if run.started_ns <= record.time_ns <= run.ended_ns
        and record.fields.get("trace_id") not in own
        and not is_listing(record)
    ]
    unseen = [request.row for request in requests if not request.records]
    refused = [row.trace_id for row in unseen if row.status == _REFUSED]
    nameless = [record for record in strangers if record.fields.get("status_code") == _REFUSED]
    paired = frozenset(refused if len(refused) == len(nameless) else ())
    if paired:
        strangers = [record for record in strangers if record not in nameless]
    return Unmatched(
        tuple(row.trace_id for row in unseen if row.trace_id not in paired),
        tuple(strangers),
        paired,
    )


def of_unmatched(found: Unmatched) -> list[Remark]:
    """The strangers, and what could only be counted; the table of ends judges the unseen."""
    said = []
    if found.strangers:
        text = f"seen by the server and sent by no client of this run: {len(found.strangers):,}"
        said.append(Remark(findings.DIFFERS, text, tuple(map(_who, found.strangers))))
    if found.nameless:
        text = "sent without a known key, recorded under the server's own ids, as many of both"
        said.append(Remark(findings.NOTE, f"{text}: {len(found.nameless):,}"))
    return said


def _who(record: LogRecord) -> str:
    fields = record.fields
    asked = f"{fields.get('method', '')} {fields.get('route', '')}"
    return f"{fields.get('trace_id')} {asked} {fields.get('outcome')}/{reason(record)}"
