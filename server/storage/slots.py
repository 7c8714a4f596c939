"""Entries by name in one file: one system call writes an entry, and one gives it up.

Neither needs a lock of the file system, and giving up needs no room on a full disk. Nothing is
synced: an entry survives the process, not the machine.
"""

import errno
import heapq
import os
from collections.abc import Iterator
from pathlib import Path

SIZE = 4096
"""Bytes of a slot: a page, which a write of a killed process fills whole or not at all."""
FREE, END = b"\0", b"\n"
"""How a slot begins that holds nothing, and what an entry ends with: JSON has no line break."""


class Slots:
    """Entries of at most SIZE bytes with their name; for one thread at a time.

    `found` is what stood in the file when it was opened, whether it is an entry or not. Raises
    OSError for a file that cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._places: dict[str, int] = {}
        self.found: dict[str, bytes] = {}
        for place, name, entry in entries(path.read_bytes()):
            if name in self._places:
                os.pwrite(self._file, FREE, self._places[name] * SIZE)
            self._places[name], self.found[name] = place, entry
        self._end = max(self._places.values(), default=-1) + 1
        self._free = sorted({*range(self._end)} - {*self._places.values()})
        # What a burst of requests once took.
        os.ftruncate(self._file, self._end * SIZE)

    def put(self, name: str, entry: bytes) -> None:
        """Write an entry of a new name; raises OSError, and then there is none."""
        text = b"%b %b%b" % (name.encode(), entry, END)
        if len(text) > SIZE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        place = heapq.heappop(self._free) if self._free else self._end
        self._end = max(self._end, place + 1)
        self._places[name] = place
        try:
            written = os.pwrite(self._file, text, place * SIZE)
        except OSError:
            # Nothing of it was written, and where there is no room yet nothing can be.
            heapq.heappush(self._free, self._places.pop(name))
            raise
        if written < len(text):
            # A part of an entry would be an unreadable one.
            self.remove(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def remove(self, name: str) -> None:
        """Give an entry up, if there is one; raises OSError, and then it is still there."""
        if name in self._places:
            os.pwrite(self._file, FREE, self._places[name] * SIZE)
            heapq.heappush(self._free, self._places.pop(name))


def entries(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    """The entries in the bytes of such a file: place, name, and what was put."""
    for place, begin in enumerate(range(0, len(data), SIZE)):
        if data[begin : begin + 1] != FREE:
            text = data[begin : begin + SIZE].partition(END)[0]
            name, _, entry = text.partition(b" ")
            yield place, name.decode("ascii", "replace"), entry
