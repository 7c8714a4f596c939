"""The file of API keys as text: one more line in it, and every comment where it was.

Python without packages has no YAML, so only the plain form of docs/server.md is added to; another
is refused before a key is made.
"""

import re

from stack.errors import Fault

HEAD = "# SHA-256 of each API key -> its tenant; the keys themselves stand nowhere (`make key`).\n"
MOST_TENANTS = 50
"""So many have numbers of their own, the rest share `other` (server/signals/labels.py)."""
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NOTHING = re.compile(r"\s*(#.*)?")
_TOP = re.compile(r"tenants:\s*(#.*)?")
_ENTRY = re.compile(r"( +)[0-9a-f]{64}: +['\"]?([a-z0-9][a-z0-9_-]*)['\"]?\s*( #.*)?")


def check_tenant(name: str) -> str:
    """The name; raises Fault for one that the server would refuse."""
    if not name:
        raise Fault("a key is somebody's", "make key TENANT=team-search")
    if not _TENANT.fullmatch(name):
        raise Fault(f"TENANT={name} is no name", "use lower-case letters, digits, _ and -")
    if name == "other":
        raise Fault("TENANT=other is where everything unknown is counted", "choose another name")
    return name


def _parsed(text: str, where: str) -> tuple[int, str, list[str]]:
    """The line after which another entry stands, its indentation, and the tenants so far."""
    last, indent, opened = 0, "  ", False
    tenants: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _ENTRY.fullmatch(line)
        if entry and opened and (not tenants or entry[1] == indent):
            last, indent = number, entry[1]
            tenants.append(entry[2])
        elif _TOP.fullmatch(line) and not opened:
            last, opened = number, True
        elif not _NOTHING.fullmatch(line) and not (line == "---" and not opened):
            raise Fault(
                f"{where} line {number} is not `  <64 hex digits>: <tenant>` below `tenants:`",
                "write it so, or add a key by hand (docs/server.md)",
            )
    return last, indent, tenants


def added(text: str, digest: str, tenant: str, where: str) -> str:
    """The text with one more key; raises Fault, naming the line, for a form that is not ours."""
    last, indent, _ = _parsed(text, where)
    lines = text.splitlines()
    if not last:
        lines, last = [*(lines or [HEAD.rstrip()]), "tenants:"], len(lines or [HEAD]) + 1
    # Quoted, or a tenant `123`, `null` or `on` would be no text.
    entry = f'{indent}{digest}: "{tenant}"'
    return "\n".join([*lines[:last], entry, *lines[last:]]) + "\n"


def tenants(text: str, where: str) -> set[str]:
    """Whose keys are in the text; raises Fault for a form that is not ours."""
    return set(_parsed(text, where)[2])
