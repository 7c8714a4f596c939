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
    for row in rows:
        line = asdict(row)
        if (cost := reconciliation.costs.get(row.trace_id)) is not None:
            line["cost_microdollars"] = cost
        if end := reconciliation.outcomes.get(row.trace_id):
            line["server_outcome"], line["server_reason"] = end
        yield json.dumps(line, separators=(",", ":"), allow_nan=False)


def write(folder: Path, rows: Iterable[Row], reconciliation: Reconciliation) -> Path:
    """Write the lines into the run's folder and return the path."""
    path = folder / NAME
    path.write_text("".join(f"{line}\n" for line in lines(rows, reconciliation)), encoding="utf-8")
    return path
