"""Finds and ends what outlived its supervisor, by a mark in their environment."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from stack.settings import Settings

MARK = "LLM_OBSERVABILITY_STATE"
GRACE_SECONDS = 20.0


def value_of(name: str, pid: int) -> str:
    """A variable with which a process was started, empty where it has none of that name."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    start = f"{name}=".encode()
    found = [item.removeprefix(start) for item in variables if item.startswith(start)]
    return os.fsdecode(found[0]) if found else ""


def state_of(pid: int) -> str:
    """The state folder of the stack that started this process, empty when none did."""
    return value_of(MARK, pid)


def find(settings: Settings) -> list[int]:
    """The ids of all processes that a stack with this state folder started."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    mine = str(settings.state)
    return [pid for pid in pids if pid != os.getpid() and state_of(pid) == mine]


def _letter(pid: int) -> str:
    """The kernel's letter for what a process does, X for one that is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return "X"
    return after_name.split()[0]


def is_alive(pid: int) -> bool:
    """False for a process that is gone or only waits to be reaped: it holds nothing any more."""
    return _letter(pid) not in ("Z", "X")


def wake(pids: Iterable[int]) -> int:
    """Let those of them go on that are stopped (SIGSTOP); how many there were."""
    stopped = [pid for pid in pids if _letter(pid) == "T"]
    _signal_all(stopped, signal.SIGCONT)
    return len(stopped)


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
    return end_these(find(settings))


def end_these(pids: list[int]) -> int:
    """End these processes, first politely, and return how many there were."""
    _signal_all(pids, signal.SIGTERM)
    left = _wait(pids, GRACE_SECONDS)
    _signal_all(left, signal.SIGKILL)
    _wait(left, GRACE_SECONDS)
    return len(pids)
