"""The table of a measured day, for a terminal or for docs/performance.md."""

from collections.abc import Iterator, Sequence

from tests.bench.day_measure import Row

_HEAD = ("board", "panel")


def lines(rows: Sequence[Row], hours: Sequence[int], *, markdown: bool) -> Iterator[str]:
    """A heading and a line for each panel, in the boards' order: seconds by hours."""
    cells = [(row.board, row.panel, *(_seconds(row, each) for each in hours)) for row in rows]
    heading = (*_HEAD, *(f"{each} h, s" for each in hours))
    yield from (_markdown if markdown else _plain)(heading, cells)


def _seconds(row: Row, hours: int) -> str:
    # Nothing found is told from something found: it is found faster.
    return f"{row.median(hours):.3f}{' (empty)' if row.empty else ''}"


def _markdown(heading: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"| {' | '.join('---' if name in _HEAD else '---:' for name in heading)} |"
    yield from (f"| {' | '.join(each)} |" for each in cells)


def _plain(heading: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(each[place]) for each in (heading, *cells)) for place in range(len(heading))]
    for each in (heading, *cells):
        padded = [
            text.ljust(width) if place < len(_HEAD) else text.rjust(width)
            for place, (text, width) in enumerate(zip(each, widths, strict=True))
        ]
        yield "  ".join(padded).rstrip()
