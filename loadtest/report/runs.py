"""Finds and reads the folders that runs left."""

from pathlib import Path

from loadtest.rows import REQUESTS, RUN, Row, Run, read_rows, read_run
from stack.errors import Fault

RUNS = "load"
"""The folder of all runs, in that of the state."""
NO_RUN = 2


def newest(runs: Path) -> Path:
    """The folder of the run that ended last; raises Fault where there is none."""
    found = [path.parent for path in runs.glob(f"*/{RUN}")]
    if not found:
        raise Fault(f"no run in {runs}", "`make load` makes one", NO_RUN)
    return max(found, key=lambda folder: (folder / RUN).stat().st_mtime_ns)


def named(name: Path, runs: Path) -> Path:
    """The folder of a run that is named by its id, or by wherever its folder is."""
    return name if (name / RUN).exists() or not (runs / name).is_dir() else runs / name


def read(folder: Path) -> tuple[Run, list[Row]]:
    """The run of a folder and its rows; raises Fault where there is none."""
    try:
        return read_run(folder), list(read_rows(folder))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        fix = f"it should hold a load run's {RUN} and {REQUESTS}; `make load` makes one"
        raise Fault(f"{folder} holds no run ({error})", fix, NO_RUN) from error
