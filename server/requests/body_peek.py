"""A look into a body before vLLM reads it: it labels and refuses, and decides nothing else."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

_TRUNCATION = "disabled"


class _Asked(msgspec.Struct):
    model: Any = None
    stream: Any = None
    n: Any = None
    structured_outputs: Any = None
    store: Any = None
    background: Any = None
    previous_response_id: Any = None
    truncation: Any = _TRUNCATION
    prompt: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    documents: msgspec.Raw = msgspec.Raw(b"")
    queries: msgspec.Raw = msgspec.Raw(b"")
    items: msgspec.Raw = msgspec.Raw(b"")
    data_1: msgspec.Raw = msgspec.Raw(b"")
    data_2: msgspec.Raw = msgspec.Raw(b"")
    text_1: msgspec.Raw = msgspec.Raw(b"")
    text_2: msgspec.Raw = msgspec.Raw(b"")
    top_k: Any = None
    thinking_token_budget: Any = None
    stream_interval: Any = None
    chat_template_kwargs: Any = None
    response_format: Any = None
    text: Any = None
    output_config: Any = None
    repetition_detection: Any = None


ENGINES_NUMBERS = (
    "top_k", "thinking_token_budget", "stream_interval", "repetition_detection",
    "chat_template_kwargs", "structured_outputs", "response_format", "text", "output_config",
)  # fmt: skip
"""What vLLM 0.32 bounds nowhere and writes to its engine, which takes 64 bits: of tools nothing."""
_PROMPTS = ("prompt", "input")
_PAIRED = ("documents", "queries", "items", "data_1", "data_2", "text_1", "text_2")
"""What holds the texts of a rerank or a score, each of which the engine reads by itself."""
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_OFF = (None, False, 0, "", "0", "off", "f", "false", "n", "no")
"""What pydantic takes for false, or for nothing at all."""


@dataclass(frozen=True, slots=True)
class Peek:
    """What a body asks for.

    `sequences` are its prompts times the answers of each, or the texts to score; `is_structured`
    says whether its `structured_outputs` are the object that they have to be, or none; `unserved`
    names what a response cannot have: to be kept after its request, to follow one that was kept, a
    truncation of null; `is_unicode` is False where a text has half of a character (a surrogate
    alone), which JSON allows and UTF-8 does not; `beyond` names what has a number of more than 64
    bits.
    """

    model: object = None
    stream: bool = False
    sequences: int = 1
    is_structured: bool = True
    unserved: str = ""
    is_unicode: bool = True
    beyond: str = ""


NO_OBJECT = Peek()
"""JSON that is no object: nothing that vLLM would serve."""


def look(body: bytes) -> Peek | None:
    """What the body asks for; None where it is no JSON, in whichever way vLLM would read it."""
    try:
        said = msgspec.json.decode(body, type=_Asked)
        sequences = _most(said.n, lambda name: _items(name, bytes(getattr(said, name))))
        is_structured = isinstance(said.structured_outputs, dict | None)
        unserved = _unserved(
            said.truncation, said.store, said.background, said.previous_response_id
        )
        found = is_structured, unserved, _is_unicode(body), _beyond(partial(getattr, said))
        return Peek(said.model, bool(said.stream), sequences, *found)
    except msgspec.ValidationError:
        return NO_OBJECT
    except Exception:
        return _look_leniently(body)


def _look_leniently(body: bytes) -> Peek | None:
    # As FastAPI reads it: Python's json takes a byte order mark, UTF-16, UTF-32 and NaN.
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return NO_OBJECT
    sequences = _most(said.get("n"), lambda name: _prompts(name, said.get(name)))
    is_structured = isinstance(said.get("structured_outputs"), dict | None)
    kept = map(said.get, ("store", "background", "previous_response_id"))
    unserved = _unserved(said.get("truncation", _TRUNCATION), *kept)
    found = is_structured, unserved, _is_whole(said), _beyond(said.get)
    return Peek(said.get("model"), bool(said.get("stream")), sequences, *found)


def _is_unicode(body: bytes) -> bool:
    # Python's json lets raw halves pass as well; where there are none nothing is parsed again.
    if _ESCAPED_HALF.search(body) is None:
        body.decode()
        return True
    return _is_whole(json.loads(body))


def _is_whole(said: object) -> bool:
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        return isinstance(error, RecursionError)
    return True


def _most(n: object, count: Callable[[str], int]) -> int:
    answered = max(map(count, _PROMPTS)) * _answers(n)
    return max(answered, *map(count, _PAIRED))


def _unserved(truncation: object, store: object, background: object, previous: object) -> str:
    if truncation is None:
        return "truncation"
    asked = {"store": store, "background": background, "previous_response_id": previous}
    return next((name for name, said in asked.items() if not _is_off(said)), "")


def _beyond(of: Callable[[str], object]) -> str:
    # Most bodies have none of them: looking must cost next to nothing.
    given = ((name, said) for name in ENGINES_NUMBERS if (said := of(name)) is not None)
    return next((name for name, said in given if not is_written(said)), "")


def is_written(said: object) -> bool:
    """True where vLLM can write it to its engine, whose numbers have 64 bits."""
    try:
        # pydantic takes "5" and "5.0" as well.
        msgspec.msgpack.encode(int(float(said)) if isinstance(said, str) else said)
    except OverflowError:
        return False
    except (ValueError, RecursionError):
        return True
    return True


def _is_off(said: object) -> bool:
    return (said.lower() if isinstance(said, str) else said) in _OFF


def _items(name: str, text: bytes) -> int:
    return _prompts(name, msgspec.json.decode(text, type=list[Any])) if text[:1] == b"[" else 1


def _prompts(name: str, said: object) -> int:
    if not isinstance(said, list) or not said:
        return 1
    # A list of numbers is one prompt, in tokens, and one of objects a conversation.
    return 1 if name in _PROMPTS and isinstance(said[0], int | dict) else len(said)


def _answers(n: object) -> int:
    # pydantic takes "5" and 5.0 as well.
    try:
        number = float(n) if isinstance(n, int | float | str) else 1.0
    except (ValueError, OverflowError):
        return 1
    return max(1, int(number)) if math.isfinite(number) else 1
