"""The long runs that CI cannot hold, one after the other, and what they found in the docs.

    make evidence                     # all of them: six hours on two cores
    make evidence RUN=fuzz,overhead   # these

Each one's output is shown, kept in STATE_DIR/evidence and its end put into docs/performance.md
with command, commit and machine, whatever its status. The stack is brought up and down as each
needs. Ends with 1 after naming each run that did not end with 0.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from stack.errors import Fault
from stack.evidence.commits import commit
from stack.say import clock, complain, say, title
from stack.settings import Settings, load
from tests.bench.command import run
from tests.bench.evidence import page
from tests.bench.evidence.page import Found
from tests.bench.evidence.runs import RUNS, Run
from tests.bench.hot_paths import machine
from tests.conftest import REPO


def chosen(given: Sequence[str]) -> list[str]:
    """The names that are asked for, all without one; raises Fault for another."""
    names = [name for word in given for name in word.split(",") if name]
    if unknown := [name for name in names if name not in RUNS]:
        raise Fault(f"RUN={unknown[0]} is unknown", f"known are {', '.join(RUNS)}", code=2)
    return [name for name in RUNS if name in names or not names]


def _run(run_: Run, log: Path) -> tuple[int, tuple[str, ...]]:
    """Its status and its last lines; all of them are shown and kept."""
    lines: list[str] = []
    env = {**os.environ, **run_.variables}
    words = [sys.executable, "-m", *run_.words]
    pipe = subprocess.PIPE
    with (
        log.open("w") as kept,
        subprocess.Popen(
            words, cwd=REPO, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            kept.write(line)
            sys.stdout.write(line)
            lines.append(line)
    return running.returncode, tuple(lines[-run_.lines :])


def _stack(command: str) -> None:
    if subprocess.run([sys.executable, "-m", "stack", command], cwd=REPO).returncode:
        raise Fault(f"`make {command}` failed", "mend what it says, then go on with RUN=")


def take(name: str, settings: Settings, about: tuple[str, str]) -> int:
    """Run one and write down what it found; `about` are commit and machine. Returns its status."""
    run_, folder = RUNS[name], settings.state / "evidence"
    folder.mkdir(parents=True, exist_ok=True)
    title(f"{name}: {run_.shows}")
    _stack("up" if run_.beside_stack else "down")
    began = time.monotonic()
    status, lines = _run(run_, folder / f"{name}.log")
    day = datetime.now(UTC).date().isoformat()
    found = Found(status, clock(time.monotonic() - began), lines, day, *about)
    where = REPO / page.PAGE
    where.write_text(page.put_into(where.read_text(), name, page.block(name, run_, found)))
    return status


def evidence(given: Sequence[str]) -> int:
    """Take all that are asked for, whatever one of them says."""
    settings, names, about = load(REPO), chosen(given), (commit(REPO), machine())
    statuses = {name: take(name, settings, about) for name in names}
    _stack("down")
    failed = {name: status for name, status in statuses.items() if status}
    for name, status in failed.items():
        complain(f"{name} ended with {status}: {settings.state / 'evidence' / name}.log")
    say(f"{len(names) - len(failed)} of {len(names)} runs ended with 0: {page.PAGE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(lambda: evidence(sys.argv[1:])))
