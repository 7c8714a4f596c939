"""Runs a command with its output in a log file, and tells what went wrong from that log."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack.errors import Fault

_TROUBLE = re.compile(r"error|fatal|panic|exception|cannot|refused|denied|no such", re.I)
TAIL_BYTES = 65536


def last_lines(log: Path, count: int = 12) -> list[str]:
    """The last non-empty lines of a log, an empty list when there is none."""
    if not log.exists():
        return []
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = handle.read().decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def last_error(log: Path) -> str:
    """The newest line that names trouble, else the newest line, cut to 300 characters."""
    lines = last_lines(log, 200)
    troubled = [line for line in lines if _TROUBLE.search(line)]
    return (troubled or lines or ["(the log is empty)"])[-1].strip()[:300]


def logged(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command, append its output to the log; raises Fault with the last lines on failure."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd, check=False
        )
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in last_lines(log))
        raise Fault(f"{Path(command[0]).name} ended with {done.returncode}; see {log}\n{tail}")
