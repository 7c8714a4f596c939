"""Bodies that would exhaust vLLM or that it fails on: refused in front, by name and reason."""

from collections.abc import Mapping

from server.gateway.routes import RESPONSES, Refusal
from server.requests.body_peek import Peek, is_written

MAX_SEQUENCES = 16_384
"""Most answers of one request, prompts times `n`.

vLLM 0.32 bounds each alone, `n` by 16,384 and prompts by 1,024, and not their product: 17 million
sequences, of which each is kept in both processes. Measured on the embedded model: 16,384 took 7 s
and delayed the event loop by less than 0.5 s, 102,400 held it for up to 5 s at a time, in which no
deadline passes and no metric is scraped, and had taken 300 MB when their caller gave up.
"""


_UNSERVED = {
    "store": "no response is kept after its request: send false or leave it out",
    "background": "no response is made after its request, where none is recorded: send false",
    "previous_response_id": "no response is kept after its request: send all of it in `input`",
    "truncation": "send `auto` or `disabled`, or leave it out: vLLM fails on null",
}
"""What a caller of /v1/responses may not ask for, and what to do.

A truncation of null vLLM 0.32 takes, and then cannot write the first event of a stream with it.
"""


_HALF = (
    "A text has half of a character (a surrogate without its other half), which is no Unicode: "
    "cut texts between characters."
)


_PRIORITY = "x-vllm-priority"


def refuse(peek: Peek | None, path: str) -> Refusal | None:
    """Why vLLM shall not see the body, None where it may.

    Half a character: JSON can escape a surrogate alone, UTF-8 has none, and vLLM 0.32 finds out
    when it writes the request to its engine (500 to a `stop` of one). Structured outputs that are
    no object: vLLM 0.32 calls `.get` on what it was given before it is checked
    (check_structured_outputs_count), so a caller's mistake would be our 500. A number of more than
    64 bits: it cannot be written to the engine either.
    """
    if peek is None:
        return None
    if peek.sequences > MAX_SEQUENCES:
        message = f"At most {MAX_SEQUENCES} answers a request: prompts times n are more."
        return Refusal(400, "too_large", message)
    if not peek.is_unicode:
        return Refusal(400, "bad_request", _HALF)
    if path == RESPONSES and peek.unserved:
        message = f"`{peek.unserved}` cannot be used so: {_UNSERVED[peek.unserved]}."
        return Refusal(400, "bad_request", message)
    if not peek.is_structured:
        return Refusal(400, "bad_request", "`structured_outputs` must be an object.")
    return _beyond(peek.beyond) if peek.beyond else None


def refuse_headers(headers: Mapping[str, str]) -> Refusal | None:
    """Why vLLM shall not see the headers, None where it may: it bounds this one no more."""
    given = headers.get(_PRIORITY)
    if given is None:
        return None
    try:
        priority = int(given)
    except ValueError:
        # vLLM looks at no other text either.
        return None
    return None if is_written(priority) else _beyond(_PRIORITY)


def _beyond(name: str) -> Refusal:
    return Refusal(400, "bad_request", f"`{name}` has a number of more than 64 bits.")
