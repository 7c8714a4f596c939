"""Whose turn it is at a stack: one `make up` at a time waits for another, nobody joins a drill."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stack.errors import Fault
from stack.native import orphans
from stack.say import say
from stack.settings import Settings

UP, DRILL = "up", "drill"
_DRILL = re.compile(rf"{DRILL} (\d+)\n")


def _path(settings: Settings) -> Path:
    return settings.run / "up.lock"


def _lock(handle: IO[str], kind: int) -> bool:
    """True where the lock is ours now."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _drill_named(handle: IO[str]) -> int:
    handle.seek(0)
    found = _DRILL.fullmatch(handle.read())
    pid = int(found.group(1)) if found else 0
    return pid if pid and orphans.is_alive(pid) else 0


def drill_pid(settings: Settings) -> int:
    """The process id of the drill that runs on this stack, 0 where none does."""
    try:
        with _path(settings).open("r") as handle:
            # A killed drill leaves its name, but not its lock.
            return 0 if _lock(handle, fcntl.LOCK_SH) else _drill_named(handle)
    except OSError:
        return 0


def refuse_beside_drill(pid: int) -> None:
    """Raise Fault where a drill of this process id runs (0: none)."""
    if pid:
        raise Fault(f"a drill runs on this stack (pid {pid})", "end it with Ctrl-C, or wait for it")


@contextmanager
def taken(settings: Settings, who: str) -> Iterator[None]:
    """Hold the stack for the block; waits for a `make up`, raises Fault where a drill runs."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        if not _lock(handle, fcntl.LOCK_EX):
            refuse_beside_drill(_drill_named(handle))
            say("  another run is starting this stack; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(f"{who} {os.getpid()}\n")
        handle.flush()
        yield
