"""A day of data, on purpose: fill stores of their own with it, then time every panel's queries.

`python -m tests.bench.day` needs none of the stack to run, and its ports free. It exits with 1
after naming each panel that is slower than its limit or whose query fails.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grafana.pictures.stores import Stores
from stack.builds import gobuild
from stack.parts import lineup
from stack.parts.lineup import LineUp
from stack.readiness import preflight
from stack.request.signals import PROMETHEUS
from stack.say import complain, say, ticking, title
from stack.settings import Settings, load
from stack.stores.running import LOGS, TRACES
from tests.bench import day_folder, day_measure, day_stores, day_table
from tests.bench.command import run
from tests.bench.day_fill import Fill
from tests.bench.day_folder import Contents
from tests.bench.day_measure import HOURS, Row
from tests.bench.day_requests import Plan

REPO = Path(__file__).parents[2]
_DISK_GIB = 8.0
_END_SECONDS = 15
"""The day ends at a multiple of it, where rules are evaluated."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.day", description=__doc__)
    add = parser.add_argument
    add("--rate", type=float, default=5.0, help="requests a second")
    add("--hours", type=float, default=24.0, help="how long the day is")
    add("--seed", type=int, default=1, help="another seed, another day")
    add("--scrape", type=float, default=5.0, help="seconds between two samples of a series")
    add("--rounds", type=int, default=5, help="of which the median counts")
    add("--state", type=Path, default=Path(".state/day"), help="the folder that is filled")
    add("--keep", action="store_true", help="keep the folder, for --measure-only")
    add("--markdown", action="store_true", help="print the table for docs/performance.md")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--fill-only", action="store_true", help="measure nothing, keep the folder")
    only.add_argument("--measure-only", action="store_true", help="of a folder that was kept")
    return parser.parse_args(given)


def _day(options: argparse.Namespace) -> int:
    settings = replace(load(REPO), state=(REPO / options.state).resolve())
    runs = _lineup(settings)
    if options.measure_only:
        contents = day_folder.read(settings.state, runs)
    else:
        contents = _fill(options, settings, runs)
    if options.fill_only:
        return 0
    code = _judge(_measure(options, settings, contents))
    if not (options.keep or options.measure_only or code):
        shutil.rmtree(settings.state)
    return code


def _lineup(settings: Settings) -> LineUp:
    choice = lineup.choose(settings)
    for line in choice.why[:2]:
        say(f"  {line}")
    gobuild.build_all(settings, day_stores.recipes(choice.lineup))
    return choice.lineup


def _fill(options: argparse.Namespace, settings: Settings, runs: LineUp) -> Contents:
    end = time.time() // _END_SECONDS * _END_SECONDS
    plan = Plan(options.rate, options.hours, options.seed, end)
    title(f"Fill {settings.state}: {plan.hours:g} h, {plan.rate:g} requests/s, seed {plan.seed}")
    preflight.check_disk(settings.state, _DISK_GIB)
    fill = Fill(settings, runs, plan, options.scrape)
    contents = fill.run()
    say(f"  on disk: {', '.join(fill.sizes())}")
    return contents


def _measure(options: argparse.Namespace, settings: Settings, contents: Contents) -> list[Row]:
    title(f"Measure: the median of {options.rounds} rounds, no exemplar is stored")
    runs, hours = contents.lineup, ranges(contents.plan.hours)
    stores = Stores(PROMETHEUS, LOGS[runs.logs](), TRACES[runs.traces]())
    with day_stores.running(settings, runs, filling=False), ticking("") as ticker:
        end, rounds = contents.plan.end, options.rounds
        rows = day_measure.measure(stores, end, hours, rounds, ticker)
    for line in day_table.lines(rows, hours, markdown=options.markdown):
        say(line)
    return rows


def ranges(hours: float) -> list[int]:
    """The time ranges that a day of so many hours has data for, 1 h at least."""
    return [each for each in HOURS if each <= max(hours, HOURS[0])]


def _judge(rows: Sequence[Row]) -> int:
    """Name each panel that is too slow or fails, and count those that found nothing."""
    faults = [fault for row in rows for fault in row.faults()]
    for fault in faults:
        complain(fault)
    empty = sum(row.empty for row in rows)
    say(f"{len(rows)} panels, {empty} of them empty, {len(faults)} faults")
    return 1 if faults else 0


def main() -> int:
    """Return 0, 1 after naming what is wrong, 130 when interrupted."""
    return run(lambda: _day(arguments()))


if __name__ == "__main__":
    sys.exit(main())
