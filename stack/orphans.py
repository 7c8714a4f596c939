"""Finds and ends what outlived its supervisor, by a mark in their environment."""

import os
import signal
import time
from pathlib import Path

from stack.settings import Settings

MARK = "LLM_OBSERVABILITY_STATE"
GRACE_SECONDS = 20.0


def _is_marked(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def find(settings: Settings) -> list[int]:
    """The ids of all processes that a stack with this state folder started."""
    mark = f"{MARK}={settings.state}".encode()
    found = [path for path in Path("/proc").glob("[0-9]*") if _is_marked(path, mark)]
    return [int(path.name) for path in found if int(path.name) != os.getpid()]


def is_alive(pid: int) -> bool:
    """False for a process that is gone or only waits to be reaped: it holds nothing any more."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return after_name.split()[0] not in ("Z", "X")


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _wait(pids: list[int], limit: float) -> list[int]:
    """Those still alive after at most `limit` seconds."""
    until = time.monotonic() + limit
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def end(settings: Settings) -> int:
    """End them, first politely, and return how many there were."""
    found = find(settings)
    _signal_all(found, signal.SIGTERM)
    left = _wait(found, GRACE_SECONDS)
    _signal_all(left, signal.SIGKILL)
    _wait(left, GRACE_SECONDS)
    return len(found)
