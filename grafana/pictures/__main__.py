"""Draw every board from the live stores; exit 1 naming each panel that has no data.

`--lint` only reads the boards' JSON, `--bench` only times the queries.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from grafana.pictures import bench, board, evaluate, geometry, lint, page
from grafana.pictures.board import Board
from grafana.pictures.evaluate import Page
from grafana.pictures.stores import REPO, Stores
from stack.errors import Fault
from stack.stores.protocol import StoreError


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m grafana.pictures", description=__doc__)
    parser.add_argument("--lint", action="store_true", help="only read the JSON, ask no store")
    parser.add_argument("--bench", action="store_true", help="only time the queries, draw nothing")
    parser.add_argument("--out", type=Path, default=REPO / ".state/pictures", metavar="FOLDER")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a variable's value, e.g. tenant=acme")  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open the rows that are closed")
    parser.add_argument("--width", type=int, default=geometry.NARROW, metavar="PIXELS",
                        help="the window's width, e.g. 1920")  # fmt: skip
    return parser.parse_args()


def main() -> int:
    """Return 0 when all is well, 1 when a panel is empty, a query too slow or a board wrong."""
    options = arguments()
    boards = board.load()
    faults = lint.faults(boards)
    if options.lint or faults:
        return _say(faults, "the boards' JSON is sound")
    try:
        return bench.run(boards) if options.bench else _pictures(boards, options)
    except (StoreError, Fault) as error:
        return _say([str(error)], "")


def _pictures(boards: Sequence[Board], options: argparse.Namespace) -> int:
    chosen = dict(pair.split("=", 1) for pair in options.set)
    stores, now = Stores(), time.time()
    pages = [evaluate.page(stores, one, now, chosen, opened=options.open) for one in boards]
    _draw(pages, options.out, options.width)
    return _say(missing(pages), f"every panel has data: {options.out / 'index.html'}")


def _draw(pages: Sequence[Page], folder: Path, width: int) -> None:
    from grafana.pictures import picture

    folder.mkdir(parents=True, exist_ok=True)
    for one in pages:
        picture.save(one, folder / page.picture_name(one), width)
    page.write(pages, folder)


def missing(pages: Sequence[Page]) -> list[str]:
    """Name each panel without data, with its query and why; excused panels only say so."""
    lines = []
    for one in pages:
        for answer in one.answers:
            where = f"{one.board.title} / {answer.panel.title}"
            if answer.excused:
                print(f"{where}: {answer.excused}")
            if answer.missing:
                asked = "".join(f"\n    {query}" for query in answer.queries)
                lines.append(f"{where}: {answer.error or 'no data'}{asked}")
    return lines


def _say(faults: Sequence[str], well: str) -> int:
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(well)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
