"""The id that a caller gave its own request: kept where it is a plain one, and never obeyed."""

import re
from collections.abc import Iterable

HEADER = "x-request-id"
"""Of the request, and of the response that repeats it."""
ON_THE_WIRE = HEADER.encode()
"""As ASGI has it."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,128}")


def read(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The caller's id of its request; None where there is none, more than one, or another text.

    It is no id of ours or of vLLM's: careless callers send the same one twice.
    """
    given = [value.decode("latin-1") for name, value in headers if name == ON_THE_WIRE]
    return given[0] if len(given) == 1 and _PLAIN.fullmatch(given[0]) else None
