"""Things made once and kept: finished ones appear by a rename, half-made ones never count."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.say import say


def digest(inputs: Iterable[Path | str]) -> str:
    """Twelve hex digits over file contents and strings, in the order given."""
    total = hashlib.sha256()
    for item in inputs:
        data = item.read_bytes() if isinstance(item, Path) else item.encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock for the block; says so when another run holds it and waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  another run is {what}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_folder(target: Path, fill: Callable[[Path], None]) -> Path:
    """Fill a temporary folder and rename it to target; an exception leaves nothing behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        scratch.chmod(0o755)
        fill(scratch)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def make_marked(target: Path, fill: Callable[[Path], None]) -> Path:
    """Fill target in place (its files hold its own path) and mark it complete as the last thing."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fill(target)
    (target / ".complete").touch()
    return target


def is_marked(target: Path) -> bool:
    """True when make_marked finished this folder."""
    return (target / ".complete").exists()
