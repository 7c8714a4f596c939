"""The lines of a run once more, each with what only the server knows of its request."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from loadtest.report.reconciled import Reconciliation
from loadtest.rows import Row

NAME = "requests-with-cost.jsonl"


def lines(rows: Iterable[Row], reconciliation: Reconciliation) -> Iterable[str]:
    """Each row as a line of JSON; what the server did not tell is absent from it."""
    told = {
        "cost_microdollars": reconciliation.costs,
        "server_outcome": reconciliation.outcomes,
    }
    for row in rows:
        more = {name: by[row.trace_id] for name, by in told.items() if row.trace_id in by}
        yield json.dumps(asdict(row) | more, separators=(",", ":"), allow_nan=False)


def write(folder: Path, rows: Iterable[Row], reconciliation: Reconciliation) -> Path:
    """Write the lines into the run's folder and return the path."""
    path = folder / NAME
    path.write_text("".join(f"{line}\n" for line in lines(rows, reconciliation)), encoding="utf-8")
    return path
