"""Places in code, which may stand in a log where a text may not: a caller can be quoted in that."""

import logging
import re
import sys
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from traceback import walk_stack, walk_tb
from types import CodeType, FrameType

_FRAMES = 40
"""Callers that are looked at for a line's template, and places told of an exception."""
_CHAIN = 5
_LONGEST_NAME = 64
_ROOTS = tuple(
    f"{root}/"
    for root in (
        sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), Path(__file__).parents[2],
    )
)  # fmt: skip
_CONVERSION = re.compile(r"%(\(\w*\))?[-#0 +]*[\d*]*(\.[\d*]+)?[a-zA-Z]")
_LETTERS = re.compile(r"[^\W\d_]{2}")


def template(record: logging.LogRecord) -> str:
    """The record's message as it stands in the code that logs it; that code's place if it does not.

    Asked while the call is running: what was formatted before the call is nowhere in code.
    """
    text = record.msg
    if not isinstance(text, str):
        return type(text).__name__
    says_something = _LETTERS.search(_CONVERSION.sub("", text))
    return text if says_something and _stands_in_code(text) else of_call(record)


def _stands_in_code(text: str) -> bool:
    # A caller's chat template is code as well, with the caller's texts in it.
    return any(
        frame.f_code.co_filename.endswith(".py") and text in _texts(frame.f_code)
        for frame in islice(_callers(), _FRAMES)
    )


def _texts(code: CodeType) -> Iterator[str]:
    return (constant for constant in code.co_consts if type(constant) is str)


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def of_call(record: logging.LogRecord) -> str:
    """Logger, function and line of a log call."""
    return f"{logger(record)}:{record.funcName}:{record.lineno}"


def logger(record: logging.LogRecord) -> str:
    """The record's logger, or the nearest above it that is named after a module."""
    name = record.name
    while name and name not in sys.modules and name not in _KNOWN:
        name = name.rpartition(".")[0]
    return name or "other"


_KNOWN = {"root", "py.warnings", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"}
"""Loggers that are named after no module."""


def of_error(error: BaseException) -> str:
    """Types and places of an exception and of those that led to it, newest first, no message."""
    return "\n".join(line for each in islice(_chain(error), _CHAIN) for line in _lines(each))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _lines(error: BaseException) -> Iterator[str]:
    yield class_name(error)
    yield from (f"  {place}" for place in of_traceback(error, _FRAMES))


def of_traceback(error: BaseException, most: int) -> tuple[str, ...]:
    """The places that an exception passed, `file:line:function`, the innermost last."""
    steps = list(walk_tb(error.__traceback__))[-most:]
    return tuple(_place(frame.f_code, line) for frame, line in steps)


def class_name(error: BaseException) -> str:
    """An exception's class; `exception` where its name is none that stands in code."""
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= _LONGEST_NAME else "exception"


def of_caller(*passing: str) -> str:
    """The place that called the function which asks, files of those names left out."""
    frames = list(islice(_callers(), 2, _FRAMES))
    found = next((f for f in frames if not f.f_code.co_filename.endswith(passing)), frames[0])
    return _place(found.f_code, found.f_lineno)


def of_frame(frame: FrameType, most: int) -> tuple[str, ...]:
    """The places of a running thread, the innermost first."""
    steps = islice(walk_stack(frame), most)
    return tuple(_place(each.f_code, line) for each, line in steps)


def _place(code: CodeType, line: int) -> str:
    return place(code.co_filename, line, code.co_name)


def place(path: str, line: int, function: str) -> str:
    """`file:line:function`, the file from its root on."""
    # Names in what is made at run time, such as a caller's template, are a caller's too.
    if not path.endswith(".py"):
        return f"<made at run time>:{line}"
    for root in _ROOTS:
        path = path.removeprefix(root)
    return f"{path}:{line}:{function}"
