"""`make key`: one API key for a tenant, shown once; what is kept is its digest."""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import Fault
from stack.say import aside, say
from stack.settings import Settings
from stack.upkeep import given, keys_file

DEFAULT = "keys/keys.yaml"
"""Where keys are kept while LLM_SERVER_KEYS names no file; git leaves it alone."""
_BYTES = 32


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two at once would each write a file without the other's key."""
    # Somebody else may make it at the same moment.
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(found, fcntl.LOCK_EX)
        yield
    finally:
        os.close(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise Fault(f"{path} is no text", "LLM_SERVER_KEYS names a file of keys") from error


def _add(path: Path, tenant: str) -> tuple[str, str, int]:
    """Keep a new key's digest; the key, its digest, and how many tenants there are now."""
    with _alone(path.resolve().parent):
        text = _text(path)
        key = f"llm_{secrets.token_urlsafe(_BYTES)}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        more = keys_file.added(text, digest, tenant, str(path))
        # Everybody may read a digest of 256 random bits; the container's user has to.
        given.replace(path, more.encode())
        return key, digest, len(keys_file.tenants(more, str(path)))


def key(settings: Settings) -> int:
    """Make a key for TENANT and print it, alone on standard output; raises Fault."""
    tenant = keys_file.check_tenant(settings.values.get("TENANT", ""))
    named = given.path(settings, given.KEYS)
    path = named or settings.repo / DEFAULT
    made, digest, count = _add(path, tenant)
    aside(f"a key of {tenant}, shown this once; {path} has its digest, {digest[:8]}...")
    say(made)
    if not named:
        aside(f"every caller needs a key once .env has the line LLM_SERVER_KEYS={DEFAULT}")
    if count > keys_file.MOST_TENANTS:
        shared = f"{keys_file.MOST_TENANTS} of {count} tenants, by name, have numbers of their own"
        aside(f"{shared}; the rest share `other`")
    aside("the server reads its keys at its start: `make down && make up`")
    aside("`API_KEY=... make ask` tries it; to withdraw it, delete its line from the file")
    return 0
