"""What a journal says is in flight, for the tests of it and of who writes into it."""

from pathlib import Path

from server.requests import in_flight_journal
from server.storage import slots


def kept(state_dir: Path) -> dict[str, bytes]:
    """The entries in the file, by name."""
    data = (state_dir / in_flight_journal.FILE).read_bytes()
    return {name: entry for _, name, entry in slots.entries(data)}
