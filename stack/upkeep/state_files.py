"""The files of a server's state that money depends on: read while it runs, put back while not.

For a folder this runs here, for a volume as a script in a container of the server's image: so it
uses the standard library only, and nothing of ours.
"""

import base64
import fcntl
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

LEDGER = "ledger.json"
STEP_MODEL = "step-model.json"
JOURNAL, SLOTS, SLOT_BYTES = "in-flight", "in-flight.slots", 4096
"""Of requests in flight: a file for each, and the file of slots that a server writes them into."""
LOCK = "lock"
"""Held by the server that has the folder (server/storage/state_dir.py)."""
BUSY = 75
"""The script's status where a server has the folder."""
_ENTRY = re.compile(JOURNAL + r"/[0-9a-f]{32}-[0-9a-f]{16}")


class BusyError(Exception):
    """A server has the folder."""


def is_known(name: str) -> bool:
    """True for the name of a file that a backup may hold: no other is ever written."""
    return name in (LEDGER, STEP_MODEL) or _ENTRY.fullmatch(name) is not None


def read(folder: Path) -> dict[str, bytes]:
    """What stands in the folder, by name; raises OSError for what cannot be read.

    The server replaces its books whole, so they are of one moment. They come first: a request that
    ends while this reads is in no journal then, and is not called killed by whoever restores it.
    """
    found: dict[str, bytes] = {}
    for name in (LEDGER, STEP_MODEL):
        with suppress(FileNotFoundError):
            found[name] = (folder / name).read_bytes()
    for path in sorted((folder / JOURNAL).glob("*")):
        name = f"{JOURNAL}/{path.name}"
        if is_known(name):
            with suppress(FileNotFoundError, IsADirectoryError):
                found[name] = path.read_bytes()
    return {**found, **_slots(folder / SLOTS)}


def _slots(path: Path) -> dict[str, bytes]:
    """The entries in a file of slots, as files of the journal (server/storage/slots.py)."""
    data = b""
    with suppress(FileNotFoundError):
        data = path.read_bytes()
    slots = (data[begin : begin + SLOT_BYTES] for begin in range(0, len(data), SLOT_BYTES))
    texts = (slot.partition(b"\n")[0].partition(b" ") for slot in slots)
    named = {f"{JOURNAL}/{name.decode('ascii', 'replace')}": entry for name, _, entry in texts}
    return {name: entry for name, entry in named.items() if is_known(name)}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every server out of the folder for the block; raises BusyError where one has it."""
    # No link is followed to what is not the server's: root would give that away (`_owned`).
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    held = os.open(folder / LOCK, flags, 0o600)
    try:
        _owned(held, folder)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError from error
        yield
    finally:
        os.close(held)


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files in their places, the books last; raises BusyError where a server has the folder.

    What is there and has no new one stays: an entry of the journal is a request of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        (folder / JOURNAL).mkdir(exist_ok=True, mode=0o700)
        journal = os.open(folder / JOURNAL, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _owned(journal, folder)
        finally:
            os.close(journal)
        for name in sorted(files, key=lambda name: (name == LEDGER, name)):
            if not is_known(name):
                raise ValueError(f"{name} is no file of a server's state")
            _replace(folder / name, files[name], folder)


def _replace(path: Path, data: bytes, folder: Path) -> None:
    scratch = path.with_name(f"{path.name}.new")
    try:
        # As the server does: its state is nobody else's to read.
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _owned(file.fileno(), folder)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _owned(opened: int, folder: Path) -> None:
    # Restored by root, it has to be the server's all the same.
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(opened, owner.st_uid, owner.st_gid)


def encoded(files: Mapping[str, bytes]) -> bytes:
    """The files as one line of JSON, the way they pass in and out of a container."""
    return json.dumps({name: base64.b64encode(files[name]).decode() for name in files}).encode()


def decoded(text: bytes) -> dict[str, bytes]:
    """What `encoded` made; raises ValueError for anything else."""
    found = json.loads(text)
    return {str(name): base64.b64decode(found[name], validate=True) for name in found}


def _script(what: str, folder: Path) -> int:
    if what == "read":
        sys.stdout.buffer.write(encoded(read(folder)))
        return 0
    try:
        put(folder, decoded(sys.stdin.buffer.read()))
    except BusyError:
        return BUSY
    return 0


if __name__ == "__main__":
    sys.exit(_script(sys.argv[1], Path(sys.argv[2])))
