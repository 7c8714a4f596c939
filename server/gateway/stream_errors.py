"""Reads the errors that vLLM writes into a stream whose status, 200, is already sent."""

import json

EVENT = b'data: {"error"'
"""How such an event begins (GenerateBaseServing.create_streaming_error_response)."""
NAMED = b"event: error\n"
"""How one of /v1/messages begins (message_stream_converter): vLLM's tells no status, ours does."""
_MARKS = (EVENT, NAMED)
_LATER = tuple(b"\n" + mark for mark in _MARKS)
UNKNOWN = 500


def code_in(body: bytes) -> int | None:
    """The HTTP status that the first error event of a chunk would have had, None without one.

    A line break cannot stand inside JSON, so no text of a caller looks like an event.
    """
    # Looked for in each chunk of a stream: finding nothing must cost nothing.
    if b"error" not in body:
        return None
    if body.startswith(_MARKS):
        return _code(body)
    for mark in _LATER:
        at = body.find(mark)
        if at >= 0:
            return _code(body[at + 1 :])
    return None


def _code(event: bytes) -> int:
    try:
        data = event.removeprefix(NAMED).splitlines()[0]
        code = json.loads(data.removeprefix(b"data: "))["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return UNKNOWN
    return code if isinstance(code, int) and 400 <= code < 600 else UNKNOWN
