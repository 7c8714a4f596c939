"""What the books of a backup say, as far as whoever backs up or restores has to know."""

import json
from collections.abc import Mapping
from typing import Any

from stack.errors import Fault
from stack.upkeep import state_files

NEWEST = 2
"""The newest version of the books that the server of this checkout reads (server/ledger)."""
_NANO = 1_000_000_000


def _books(state: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        found = json.loads(state[state_files.LEDGER])
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def check(state: Mapping[str, bytes], where: str) -> None:
    """Raise Fault unless there are books that the server of this checkout can go on from."""
    if state_files.LEDGER not in state:
        raise Fault(f"{where} holds no books", "a server that was started once has them")
    found = _books(state)
    version = found.get("version", 1)
    if not isinstance(found.get("books"), list) or not isinstance(version, int):
        raise Fault(
            f"{state_files.LEDGER} in {where} is no books", "see docs/cost.md, Over restarts"
        )
    if version > NEWEST:
        said = f"the books in {where} are of version {version}, this checkout reads up to {NEWEST}"
        raise Fault(said, "use the release that wrote them, or a newer one")


def summary(state: Mapping[str, bytes]) -> str:
    """The bill so far and the requests in flight, in a few words."""
    found, flying = _books(state), sum(name.startswith("in-flight/") for name in state)
    try:
        billed = [amount for key, amount in found["books"] if key[0] == "part"]
        bill = f"a bill of ${(sum(billed) + found['open']) / _NANO:,.6f}"
    except (KeyError, TypeError, ValueError, IndexError):
        bill = "books of an older version"
    return f"{bill}, {flying} request{'' if flying == 1 else 's'} in flight"
