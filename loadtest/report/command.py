"""Reports a load run: verdict, figures and charts as report.html and report.json in its folder.

Exit code 1: the run is invalid, or client and server do not agree; 2: there is no run.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana.pictures import board
from grafana.pictures.expand import SCRAPE_SECONDS
from loadtest import objectives
from loadtest.report import benchmark_report, page, with_cost, witnesses
from loadtest.report.document import to_json
from loadtest.report.machine import machine
from loadtest.report.reconciled import Reconcile
from loadtest.report.result import Result, Sources, result
from loadtest.report.runs import RUNS, named, newest, read
from loadtest.report.summary import summary
from stack import settings
from stack.errors import Fault
from stack.stores.protocol import Window

REPO = Path(__file__).parents[2]
HTML, JSON = "report.html", "report.json"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.report", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a run's, or its id; else the newest")
    parser.add_argument("--no-pictures", action="store_true", help="draw no boards")
    return parser.parse_args(arguments)


def make(folder: Path, pictures: bool, reconcile: Reconcile) -> Result:
    """Report the run of a folder into it; raises Fault where there is no run."""
    run, rows = read(folder)
    reconciliation = reconcile(folder, rows, run)
    said: dict[str, None] = {}
    stores = witnesses.opened(said)
    # What ended last is scraped, and its alerts are evaluated, after the run.
    window = Window(run.started_ns / 1e9, run.ended_ns / 1e9 + 2 * SCRAPE_SECONDS)
    boards = board.load() if pictures else []
    seen = witnesses.look(stores, window, folder, boards, said)
    sources = Sources(objectives.read(), reconciliation, seen, stores, machine())
    found = result(run, rows, sources)
    with_cost.write(folder, rows, reconciliation)
    (folder / JSON).write_text(to_json(found), encoding="utf-8")
    (folder / HTML).write_text(page.html(found), encoding="utf-8")
    benchmark_report.write(folder, run, rows, found.invalid_because)
    return found


def main(arguments: Sequence[str], reconcile: Reconcile) -> int:
    """Report a run and say what it came to; returns the exit status."""
    options = _options(arguments)
    try:
        runs = settings.load(REPO).state / RUNS
        folder = named(options.folder, runs) if options.folder else newest(runs)
        found = make(folder, not options.no_pictures, reconcile)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for line in summary(found):
        print(line)
    print(folder / HTML)
    return found.status
