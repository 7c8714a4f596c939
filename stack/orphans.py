"""Finds and ends what outlived its supervisor, by a mark in their environment."""

import os
import signal
import time
from pathlib import Path

from stack.settings import Settings

MARK = "LLM_OBSERVABILITY_STATE"
GRACE_SECONDS = 10.0


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


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(settings: Settings) -> int:
    """End them, first politely, and return how many there were."""
    found = find(settings)
    _signal_all(found, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while find(settings) and time.monotonic() < until:
        time.sleep(0.2)
    _signal_all(find(settings), signal.SIGKILL)
    return len(found)
