"""Reads the errors that vLLM writes into a stream whose status, 200, is already sent."""

import json

EVENT = b'data: {"error"'
"""How such an event begins (GenerateBaseServing.create_streaming_error_response)."""
_LATER = b"\n" + EVENT
UNKNOWN = 500


def code_in(body: bytes) -> int | None:
    """The HTTP status that the first error event of a chunk would have had, None without one.

    A line break cannot stand inside JSON, so no text of a caller looks like an event.
    """
    if body.startswith(EVENT):
        return _code(body)
    # Looked for in each chunk of a stream: finding nothing must cost nothing.
    at = body.find(_LATER)
    return None if at < 0 else _code(body[at + 1 :])


def _code(event: bytes) -> int:
    try:
        code = json.loads(event.splitlines()[0].removeprefix(b"data: "))["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return UNKNOWN
    return code if isinstance(code, int) and 400 <= code < 600 else UNKNOWN
