"""Which server is loaded, and with whose keys; what is wrong is said by the variable's name."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
COMPOSE = "server"
"""The server's name among compose's services: the only other host that is loaded unasked."""

Keys = tuple[tuple[str, str], ...]


class SettingsError(ValueError):
    """What an operator has to mend: the variable, and the fix."""


def url(env: Mapping[str, str]) -> str:
    """The server's address in URL; raises SettingsError for one that is another machine's."""
    text = (env.get("URL") or "http://127.0.0.1:8000").rstrip("/")
    parts = urlsplit(text)
    extra = parts.username or parts.password or parts.path or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or extra:
        # Not the text itself: it may hold a password.
        raise SettingsError("URL: it is none such as http://127.0.0.1:8000, and no more than that")
    allowed = env.get("LOAD_ANOTHER_MACHINE") == "yes"
    if parts.hostname not in LOOPBACK | {COMPOSE} and not allowed:
        fix = "LOAD_ANOTHER_MACHINE=yes sends this load to a machine that may be somebody else's"
        raise SettingsError(f"URL: '{text}' is not this machine: {fix}")
    return text


def metrics_url(env: Mapping[str, str], server: str) -> str:
    """Where the server's counters are: METRICS_URL, else port 9464 of the server's host."""
    host = urlsplit(server).hostname or ""
    named = f"[{host}]" if ":" in host else host
    return env.get("METRICS_URL") or f"http://{named}:9464/metrics"


def keys(variable: str, name: str) -> Keys:
    """Tenants and their keys in the file that a variable names; raises SettingsError."""
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{variable}: {name}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Without what was raised, which holds the file.
        raise SettingsError(f"{variable}: {name} is no text") from None
    found = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not found or not all(len(each) == 2 and each[1].isascii() for each in found):
        # Not the line itself: it holds a key.
        fix = "each line is a tenant's name and its key, which is plain ASCII"
        raise SettingsError(f"{variable}: {name}: {fix}")
    return tuple((tenant, key) for tenant, key in found)
