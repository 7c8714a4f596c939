"""The files that hold a receiver's address or password: checked here, read by Alertmanager."""

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.errors import Fault
from stack.settings import Settings

MAX_BYTES = 4096
"""No address, key or password that a service hands out is longer."""
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
# Characters of a URL in ASCII, and % only as Go reads it.
_URL = re.compile(
    rf"https?://(?:(?:[\w.~!$&'()*+,;=:-]|%[0-9A-Fa-f]{{2}})*@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?:[/?#](?:[!-$&-~]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)
_KEY = re.compile(r"[A-Za-z0-9_+/=.-]+")
_PASSWORD = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff]+")


@dataclass(frozen=True)
class Kind:
    """What such a file holds, in words, and whether all of a text is that."""

    words: str
    is_one: Callable[[str], object]


def is_port(text: str) -> bool:
    """True for the number of a port that something can listen on."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _is_url(text: str) -> bool:
    found = _URL.fullmatch(text)
    # Alertmanager takes an address for a template.
    return bool(found and is_port(found["port"] or "443") and "{{" not in text)


URL = Kind("an address in ASCII that begins with https:// or http://", _is_url)
KEY = Kind("a key of letters and digits", _KEY.fullmatch)
PASSWORD = Kind(
    "a password in one line, without control characters or a byte-order mark", _PASSWORD.fullmatch
)


def secret(settings: Settings, key: str, kind: Kind) -> Path:
    """The file that this key names; raises Fault with the fix, and never with what is in it."""
    path = settings.repo / settings.values[key].strip()
    mode = _mode(path)
    if not stat.S_ISREG(mode):
        # Not the value: who takes the key for the secret's own has put the secret there.
        raise Fault(
            f"{key}: there is no file of that name",
            f"its value is the name of a file, not the secret: put {kind.words} "
            "into a file, alone, chmod 600, and the file's name into .env",
        )
    if not str(path.resolve()).isprintable():
        raise Fault(f"{key}: a control character is in the file's path", "give it another name")
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise Fault(f"{key}: everybody on this machine may use {path}", f"chmod 600 {path}")
    _check(key, path, kind)
    return path


def _mode(path: Path) -> int:
    """What the file system says of it; 0 where nothing is, or no path can be so."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _check(key: str, path: Path, kind: Kind) -> None:
    fix = f"put {kind.words} into it, alone"
    text = _text(key, path, fix)
    if not text:
        raise Fault(f"{key}: {path} is empty", fix)
    if not kind.is_one(text):
        raise Fault(f"{key}: {path} does not hold {kind.words}", fix)


def _text(key: str, path: Path, fix: str) -> str:
    try:
        with path.open("rb") as file:
            held = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Fault(f"{key}: {path} cannot be read ({error.strerror})", "make it yours") from error
    if len(held) > MAX_BYTES:
        raise Fault(f"{key}: {path} holds more than {MAX_BYTES} bytes", fix)
    try:
        return held.decode().strip()
    except UnicodeDecodeError as error:
        raise Fault(f"{key}: {path} is no text", fix) from error
