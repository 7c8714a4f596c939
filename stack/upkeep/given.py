"""The operator's own files that money depends on: prices, budgets, and whose key is whose."""

import os
import time
from pathlib import Path

from stack.errors import Fault
from stack.settings import Settings

PRICES, BUDGETS, KEYS = "prices.yaml", "budgets.yaml", "keys.yaml"
_NAMED = {
    PRICES: ("LLM_SERVER_PRICES", "server/prices.yaml"),
    BUDGETS: ("LLM_SERVER_BUDGETS", ""),
    KEYS: ("LLM_SERVER_KEYS", ""),
}
NAMES = tuple(_NAMED)
_STEADY_SECONDS, _TRIES = 0.2, 10


def variable(name: str) -> str:
    """The setting that names this file."""
    return _NAMED[name][0]


def path(settings: Settings, name: str) -> Path | None:
    """Where the file is, None where no setting names one."""
    key, default = _NAMED[name]
    said = settings.values.get(key) or default
    return settings.repo / said if said else None


def read(settings: Settings, must_be: bool = True) -> dict[str, bytes]:
    """Every file that is named; raises Fault for one that is not there, if it must be."""
    found: dict[str, bytes] = {}
    for name in NAMES:
        here = path(settings, name)
        if here is None:
            continue
        if here.is_file():
            found[name] = _steady(here)
        elif must_be:
            raise Fault(f"{variable(name)} names {here}, which is no file", "mend it in .env")
    return found


def _steady(here: Path) -> bytes:
    """The content of a file that may just be written into, as containers need it."""
    text = here.read_bytes()
    for _ in range(_TRIES):
        before = here.stat()
        if not 0 <= time.time() - before.st_mtime <= _STEADY_SECONDS:
            again = here.read_bytes()
            if again == text:
                return text
        time.sleep(_STEADY_SECONDS)
        text = here.read_bytes()
    raise Fault(f"{here} is being written", "try again when it is whole")


def check_writable(here: Path) -> None:
    """Raise Fault where the file could not be replaced."""
    folder = here.resolve().parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise Fault(f"{here} cannot be written", "run this as a user who may, or ONLY=books")


def replace(here: Path, data: bytes, mode: int = 0o644) -> None:
    """Put the data in the file's place, whole or not at all, with the mode and owner it had."""
    here = here.resolve()
    here.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    before = here.stat() if here.exists() else None
    scratch = here.with_name(f"{here.name}.new")
    scratch.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), before.st_mode & 0o777 if before else mode)
            if before and os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fsync(file.fileno())
        os.replace(scratch, here)
    finally:
        scratch.unlink(missing_ok=True)
