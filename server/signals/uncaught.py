"""What Python itself prints (uncaught exceptions, warnings, print) becomes a line of the log."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterable
from typing import Any, TextIO, cast

from server.signals import code_places, serving

_log = logging.getLogger(__name__)


def install() -> None:
    """From now on nothing of Python's own goes to stdout or stderr past the log."""
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread
    warnings.showwarning = _warned
    logging.Handler.handleError = _unwritten  # type: ignore[assignment,method-assign]
    sys.stdout = cast(TextIO, _Printed(sys.stdout))
    sys.stderr = cast(TextIO, _Printed(sys.stderr))


def _uncaught(
    kind: type[BaseException], error: BaseException | None, _trace: object = None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _log.critical("an exception was caught by nobody", exc_info=error or kind())


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if not issubclass(found.exc_type, SystemExit):
        _log.error("an exception ended a thread", exc_info=found.exc_value or found.exc_type())


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    _log.error("an exception could not be raised", exc_info=found.exc_value or found.exc_type())


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del file, line
    said = category.__name__ if serving.has_begun() else f"{category.__name__}: {message}"
    _log.warning("%s at %s:%d", said, filename, lineno)


def _unwritten(handler: logging.Handler, record: logging.LogRecord) -> None:
    # Python's own quotes the message and its arguments.
    error = sys.exc_info()[1]
    why = type(error).__name__ if error else "no reason"
    line = f"{type(handler).__name__} lost a line of {code_places.of_call(record)}: {why}\n"
    if sys.__stderr__ is not None:
        sys.__stderr__.write(line)


class _Printed:
    """A stream that is as it was until a caller is heard; then it tells who wrote, not what."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner
        self._told = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, text: str) -> int:
        """Write the text, or have the log say once a place that somebody writes there."""
        if not serving.has_begun():
            return self._inner.write(text)
        place = code_places.of_caller("traceback.py", "uncaught.py")
        if text.strip() and getattr(self._told, "place", None) != place:
            self._told.place = place
            _log.warning("printed by %s", place)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)
