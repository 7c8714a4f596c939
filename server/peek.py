"""A look into a body before vLLM reads it: it labels and refuses, and decides nothing else."""

import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec


class _Body(msgspec.Struct):
    model: Any = None
    stream: Any = None
    n: Any = None
    prompt: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class Peek:
    """What a body asks for; `sequences` are its prompts times the answers of each."""

    model: object = None
    stream: bool = False
    sequences: int = 1


NO_OBJECT = Peek()
"""JSON that is no object: nothing that vLLM would serve."""


def look(body: bytes) -> Peek | None:
    """What the body asks for; None where it is no JSON, in whichever way vLLM would read it."""
    try:
        said = msgspec.json.decode(body, type=_Body)
        prompts = max(_items(bytes(said.prompt)), _items(bytes(said.input)))
        return Peek(said.model, bool(said.stream), prompts * _answers(said.n))
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
    return Peek(said.get("model"), bool(said.get("stream")), prompts * _answers(said.get("n")))


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
