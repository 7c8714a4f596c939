"""A look into a body before vLLM reads it: it labels and refuses, and decides nothing else."""

import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec


class _Asked(msgspec.Struct):
    model: Any = None
    stream: Any = None
    n: Any = None
    structured_outputs: msgspec.Raw = msgspec.Raw(b"null")
    prompt: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class Peek:
    """What a body asks for.

    `sequences` are its prompts times the answers of each; `is_structured` says whether its
    `structured_outputs` are the object that they have to be, or none.
    """

    model: object = None
    stream: bool = False
    sequences: int = 1
    is_structured: bool = True


NO_OBJECT = Peek()
"""JSON that is no object: nothing that vLLM would serve."""


def look(body: bytes) -> Peek | None:
    """What the body asks for; None where it is no JSON, in whichever way vLLM would read it."""
    try:
        said = msgspec.json.decode(body, type=_Asked)
        prompts = max(_items(bytes(said.prompt)), _items(bytes(said.input)))
        is_structured = bytes(said.structured_outputs)[:1] in (b"{", b"n")
        return Peek(said.model, bool(said.stream), prompts * _answers(said.n), is_structured)
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
    prompts = max(_prompts(said.get("prompt")), _prompts(said.get("input")))
    sequences = prompts * _answers(said.get("n"))
    is_structured = isinstance(said.get("structured_outputs"), dict | None)
    return Peek(said.get("model"), bool(said.get("stream")), sequences, is_structured)


def _items(text: bytes) -> int:
    return _prompts(msgspec.json.decode(text, type=list[Any])) if text.startswith(b"[") else 1


def _prompts(said: object) -> int:
    # A list of numbers is one prompt, in tokens.
    if not isinstance(said, list) or not said or isinstance(said[0], int):
        return 1
    return len(said)


def _answers(n: object) -> int:
    # pydantic takes "5" and 5.0 as well.
    try:
        number = float(n) if isinstance(n, int | float | str) else 1.0
    except (ValueError, OverflowError):
        return 1
    return max(1, int(number)) if math.isfinite(number) else 1
