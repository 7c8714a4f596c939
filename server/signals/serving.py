"""Whether a caller may have been heard yet: from then on anybody's log call may quote one."""

import mmap
import os
from typing import Protocol

VARIABLE = "LLM_SERVER_SERVING_FLAG"
"""Where children of the API process find its flag; set by share(), never by an operator."""


class _Page(Protocol):
    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


_page: _Page = bytearray(1)


def share() -> None:
    """Let the children that this process starts see begin(), whenever it is called."""
    global _page
    file = os.memfd_create("llm-server-serving")
    os.ftruncate(file, mmap.PAGESIZE)
    _page = mmap.mmap(file, mmap.PAGESIZE)
    os.environ[VARIABLE] = f"/proc/{os.getpid()}/fd/{file}"


def join() -> None:
    """See the flag of the API process; without one, callers count as heard."""
    global _page
    try:
        file = os.open(os.environ[VARIABLE], os.O_RDWR)
        _page = mmap.mmap(file, mmap.PAGESIZE)
        os.close(file)
    except (KeyError, OSError, ValueError):
        _page = bytearray(b"\1")


def begin() -> None:
    """A caller is heard."""
    _page[0] = 1


def has_begun() -> bool:
    """True once a caller was heard, in this process or the one that started it."""
    return bool(_page[0])
