"""Compares load runs A with load runs B: every figure, its interval, and what got worse.

Exit code 0: nothing got worse; 1: something did, beyond the tolerance; 2: the runs are not alike,
or are none; 3: nothing did that can be seen, and there is too little to see it.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest import objectives
from loadtest.compare import alike
from loadtest.compare.intervals import FEWEST_RUNS
from loadtest.compare.sample import Sample, costs, sample
from loadtest.compare.verdict import Change, Judge, Verdict
from loadtest.objectives import ERRORS, Objectives
from loadtest.report import runs as report_runs
from loadtest.rows import Row, Run
from stack import settings
from stack.errors import Fault

REPO = Path(__file__).parents[2]
WORSE, NOT_ALIKE, UNDECIDED = 1, 2, 3
Read = tuple[Run, list[Row], Path]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare", description=__doc__)
    parser.add_argument("ours", help="run A, its id or folder; several with commas between them")
    parser.add_argument("theirs", help="run B")
    parser.add_argument("--tolerance", type=_tolerance, default=0.05, help="share (0.05)")
    parser.add_argument("--force", action="store_true", help="compare what is not alike too")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser.parse_args(arguments)


def _tolerance(text: str) -> float:
    found = float(text)
    if not 0.0 < found <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is no share above 0 and up to 1")
    return found


def _side(names: str) -> list[Read]:
    runs = settings.load(REPO).state / report_runs.RUNS
    folders = [report_runs.named(Path(name), runs) for name in names.split(",") if name]
    if not folders:
        raise Fault("a side has no run", "make compare A=run1 B=run2", NOT_ALIKE)
    return [(*report_runs.read(folder), folder) for folder in folders]


def _unlike(ours: Sequence[Read], theirs: Sequence[Read]) -> tuple[list[str], bool]:
    """Why the runs are not to be compared, and whether they had the same visits."""
    every = [*ours, *theirs]
    found = [fault for run, rows, _ in every for fault in alike.faults(run, rows)]
    first = every[0]
    same = True
    for run, rows, _ in every[1:]:
        found += alike.differences(first[0], run)
        share = alike.same_visits((first[0], first[1]), (run, rows))
        if share < alike.SAME_VISITS:
            same = False
            found.append(
                f"of {first[0].run_id} and {run.run_id} {share:.0%} of visits are the same"
            )
    ids = [run.run_id for run, _, _ in every]
    found += [f"{each} is there twice" for each in sorted({*ids[1:]}) if ids[1:].count(each) > 1]
    return found, same


def _sample(read: Read, objective: Objectives) -> Sample:
    run, rows, folder = read
    return sample(run, rows, objective, costs(folder))


def compare(arguments: argparse.Namespace) -> int:
    """Compare and say what changed; returns the exit status; raises Fault."""
    ours, theirs = _side(arguments.ours), _side(arguments.theirs)
    unlike, same = _unlike(ours, theirs)
    if unlike and not arguments.force:
        raise Fault(
            "not to be compared: " + "; ".join(unlike), "FORCE=1 does all the same", NOT_ALIKE
        )
    held = objectives.read()
    allowed = next(1 - float(each.share) for each in held if each.name == ERRORS)
    turns = alike.in_turns([each[0] for each in ours], [each[0] for each in theirs])
    judge = Judge(arguments.tolerance, allowed, same, turns)
    here, there = ([_sample(each, held) for each in side] for side in (ours, theirs))
    changes = judge.changes(here, there)
    status = _status(changes)
    if arguments.json:
        print(json.dumps(_document(here, there, changes, unlike, judge, status), indent=1))
    else:
        _say(here, there, changes, unlike, judge)
    return status


def _status(changes: Sequence[Change]) -> int:
    if any(change.verdict is Verdict.WORSE for change in changes):
        return WORSE
    return UNDECIDED if not changes or any(change.undecided for change in changes) else 0


def _document(
    here: Sequence[Sample],
    there: Sequence[Sample],
    changes: Sequence[Change],
    unlike: Sequence[str],
    judge: Judge,
    status: int,
) -> dict[str, object]:
    return {
        "a": [each.run.run_id for each in here],
        "b": [each.run.run_id for each in there],
        "not_alike": list(unlike),
        "tolerance": judge.tolerance,
        "errors_tolerance": judge.errors,
        "status": status,
        "changes": [
            {
                "metric": change.metric.label,
                "unit": "s" if change.metric.unit == "ms" else change.metric.unit,
                "a": change.ours,
                "b": change.theirs,
                "change": _shown(change),
                "verdict": change.verdict.value,
                "because": change.said,
            }
            for change in changes
        ],
    }


def _shown(change: Change) -> list[float | None] | None:
    """What was found and the ends of its interval, as shares of A or as a difference of shares."""
    if change.interval is None:
        return None
    ends = (change.interval.found, change.interval.low, change.interval.high)
    if change.metric.share:
        return [*ends]
    return [math.expm1(end) if math.isfinite(end) else None for end in ends]


def _say(
    here: Sequence[Sample],
    there: Sequence[Sample],
    changes: Sequence[Change],
    unlike: Sequence[str],
    judge: Judge,
) -> None:
    for reason in unlike:
        print(f"NOT ALIKE: {reason}")
    for side, samples in (("A", here), ("B", there)):
        told = ", ".join(f"{each.run.run_id} ({each.requests:,} requests)" for each in samples)
        print(f"{side}: {told}")
    print(f"\n{'':<16} {'A':>11} {'B':>11} {'':<6} {'B against A, 95 %':>26}")
    for change in changes:
        print(_line(change))
    print(f"\nworse: by more than {judge.tolerance:.1%} for certain (errors: {judge.errors:.1%})")
    if min(len(here), len(there)) < FEWEST_RUNS:
        print(
            "one run or two a side: the intervals hold what differs within a run, not from run to "
            f"run; {FEWEST_RUNS} a side in turns do (A=a1,a2,a3 B=b1,b2,b3)"
        )
    for change in changes:
        if change.verdict is Verdict.WORSE:
            print(f"WORSE: {change.metric.label}")
        if change.undecided:
            print(f"NOT ENOUGH TO SAY: {change.metric.label}: {change.said}")


def _line(change: Change) -> str:
    metric = change.metric
    factor, digits = (1000.0, 1) if metric.unit == "ms" else (1.0, 4)
    a, b = (
        "not known" if value is None else f"{value * factor:,.{digits}f}"
        for value in (change.ours, change.theirs)
    )
    shown = _shown(change)
    ends = ["inf" if each is None else f"{100 * each:+.1f}" for each in shown or ()]
    moved = f"{ends[0]} % ({ends[1]} to {ends[2]})" if ends else ""
    said = f"{change.verdict.value}: {change.said}" if change.said else change.verdict.value
    return f"{metric.label:<16} {a:>11} {b:>11} {metric.unit:<6} {moved:>26}  {said}"


def main(arguments: Sequence[str]) -> int:
    """Compare what the arguments name; returns the exit status."""
    try:
        return compare(_options(arguments))
    except (Fault, objectives.ObjectivesError) as error:
        print(error, file=sys.stderr)
        return error.code if isinstance(error, Fault) else NOT_ALIKE
