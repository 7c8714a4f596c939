"""The table in docs/clients.md: clients x features, as a run of the matrix found them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clients import rows
from clients.cell import Cell

PAGE = "docs/clients.md"
BEGIN = "<!-- matrix: written by make clients -->"
END = "<!-- end of the matrix -->"
GOOD, NOTHING = "✓", ""


@dataclass(frozen=True)
class Told:
    """What the run was made on: day, commit, server, model, and the clients' versions by name."""

    day: str
    commit: str
    vllm: str
    model: str
    versions: Mapping[str, str]


def _table(cells: Sequence[Cell]) -> Iterator[str]:
    asked = {(cell.client, cell.feature) for cell in cells}
    yield f"| | {' | '.join(rows.FEATURES.values())} |"
    yield f"| --- |{' --- |' * len(rows.FEATURES)}"
    for name in rows.NAMES:
        marks = [GOOD if (name, each) in asked else NOTHING for each in rows.FEATURES]
        yield f"| {rows.shown(name)} | {' | '.join(marks)} |"


def text(cells: Sequence[Cell], told: Told) -> str:
    """The table of cells that are as expected and what stands below it, between the marks."""
    asked = sum(cell.requests for cell in cells)
    made = ", ".join(told.versions[name] for name in rows.NAMES)
    run = f"{asked} requests on {told.day}, commit `{told.commit}`, vLLM {told.vllm}, {told.model}"
    below = f"{run}: {made}."
    return "\n".join([BEGIN, "", *_table(cells), "", below, "", END])


def put_into(page: str, table: str) -> str:
    """The page with this table in it; raises ValueError where it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN} ... {END}")
    return f"{before}{table}{after}"


def unwritten(cells: Sequence[Cell], is_whole: bool) -> str:
    """Why these cells do not make a table, empty where they do; a part of the matrix makes none."""
    if any(not cell.as_expected for cell in cells):
        return "a cell is not as expected"
    if left := sum(bool(cell.unasked) for cell in cells):
        return f"{left} of {len(cells)} cells were not asked"
    return "" if is_whole else "CLIENTS and FEATURES name a part of the matrix"
