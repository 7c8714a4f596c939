"""The state folder of a synthetic day: ours alone, marked by a file that says what is in it."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.errors import Fault
from stack.parts.lineup import LineUp
from tests.bench.day_requests import Plan

_MARK = "synthetic-day.json"
_SERVED = ("server", "run/up.json")
"""What `make up` leaves in a folder."""


@dataclass(frozen=True)
class Contents:
    """What the folder holds: the day, the stores it is in, whether all of it is there."""

    plan: Plan
    traces: str
    logs: str
    complete: bool

    @property
    def lineup(self) -> LineUp:
        """The stores that hold it."""
        return LineUp(self.traces, self.logs, grafana=False)


def take(folder: Path, contents: Contents) -> None:
    """Make the folder empty and ours; raises Fault for one that holds anything but a day."""
    if any((folder / name).exists() for name in _SERVED):
        raise Fault(f"{folder} has served requests", "choose another with --state")
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise Fault(f"{folder} holds something else", "choose an empty one with --state")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark(folder, contents)


def mark(folder: Path, contents: Contents) -> None:
    """Note what the folder holds."""
    (folder / _MARK).write_text(json.dumps(asdict(contents)))


def read(folder: Path, runs: LineUp) -> Contents:
    """What the folder holds; raises Fault for one that is not full, or of other stores."""
    file = folder / _MARK
    raw = json.loads(file.read_text()) if file.exists() else {}
    if not raw.get("complete"):
        raise Fault(f"{folder} holds no complete day", "fill it without --measure-only")
    found = Contents(**{**raw, "plan": Plan(**raw["plan"])})
    if found.lineup.stores != runs.stores:
        raise Fault(f"{folder} is of {found.traces} and {found.logs}", "have those run, see PATH")
    return found


def mebibytes(folder: Path) -> float:
    """MiB on disk below the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks for path in files) * 512 / 2**20
