"""The files that hold a receiver's address or password: checked here, read by Alertmanager."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from stack.errors import Fault
from stack.settings import Settings

_URL = re.compile(r"https?://[^/\s]+\S*")


@dataclass(frozen=True)
class Kind:
    """What such a file holds, in words, and what all of its text has to match."""

    words: str
    pattern: re.Pattern[str]


URL = Kind("an address that begins with https:// or http://", _URL)
KEY = Kind("a key of letters and digits", re.compile(r"[A-Za-z0-9_+/=.-]+"))
PASSWORD = Kind("a password in one line", re.compile(r"[^\r\n]+"))


def secret(settings: Settings, key: str, kind: Kind) -> Path:
    """The file that this key names; raises Fault with the fix, and never with what is in it."""
    path = settings.repo / settings.values[key]
    if not path.is_file():
        # Not the value: who takes the key for the secret's own has put the secret there.
        raise Fault(
            f"{key}: there is no file of that name",
            f"its value is the name of a file, not the secret: put {kind.words} "
            "into a file, alone, chmod 600, and the file's name into .env",
        )
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
        raise Fault(f"{key}: everybody on this machine may use {path}", f"chmod 600 {path}")
    _check(key, path, kind)
    return path


def _check(key: str, path: Path, kind: Kind) -> None:
    fix = f"put {kind.words} into it, alone"
    try:
        text = path.read_bytes().decode().strip()
    except UnicodeDecodeError as error:
        raise Fault(f"{key}: {path} is no text", fix) from error
    if not text:
        raise Fault(f"{key}: {path} is empty", fix)
    # Alertmanager takes an address for a template.
    if not kind.pattern.fullmatch(text) or (kind is not PASSWORD and "{{" in text):
        raise Fault(f"{key}: {path} does not hold {kind.words}", fix)
