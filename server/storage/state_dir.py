"""The folder of what outlives a process: one server at a time has it."""

import fcntl
import os
import time
from pathlib import Path

from server.settings import PREFIX, SettingsError

LOCK = "lock"
PATIENCE_SECONDS = 5.0
"""How long a start waits for the process before it, whose last child may still be ending."""


class StateDir:
    """Holds the folder's lock until the process ends, however it ends; None keeps nothing.

    Raises SettingsError where the folder cannot be written, or another server has it: two would
    count each other's requests as killed and overwrite each other's books.
    """

    def __init__(self, path: Path | None, patience: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self._lock = -1 if path is None else _lock(path, patience)

    def release(self) -> None:
        """Let the next server have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _lock(path: Path, patience: float) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True)
        found = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fix = f"{path} cannot be written ({error.strerror}): make it writable or choose another"
        raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix) from error
    until = time.monotonic() + patience
    while not _taken(found):
        if time.monotonic() >= until:
            os.close(found)
            fix = f"another server uses {path}: stop it, or give this one a folder of its own"
            raise SettingsError("environment", f"{PREFIX}STATE_DIR", fix)
        time.sleep(0.1)
    return found


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
