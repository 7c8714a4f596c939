"""What native code prints to stdout and stderr: it may quote a caller, and no hook sees it."""

import atexit
import faulthandler
import fcntl
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Mapping
from typing import TextIO

from server.signals import serving

VARIABLE = "LLM_SERVER_CONSOLE"
"""Where children of the API process find the console; set by divert(), never by an operator."""
_PIPE_BYTES = 1 << 20
_LOOK_SECONDS = 0.2
_TELL_SECONDS = 1.0

_log = logging.getLogger(__name__)
_stream: TextIO | None = None


class _Console:
    """Where the log is written: the process's own stdout, past what native code writes to."""

    def write(self, text: str) -> int:
        return _console().write(text)

    def flush(self) -> None:
        _console().flush()


console = _Console()


def _console() -> TextIO:
    found = _stream or sys.__stdout__
    if found is None:
        raise OSError("there is no stdout")
    return found


def divert() -> None:
    """Let the log alone write to stdout from now on.

    What native code of this process and its children prints is passed on until a caller is heard,
    and then only counted.
    """
    global _stream
    kept = {standard: os.dup(standard) for standard in (1, 2)}
    _stream = os.fdopen(kept[1], "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    # A crash tells places in the code, which may be told.
    faulthandler.enable(file=_stream)
    os.environ[VARIABLE] = f"/proc/{os.getpid()}/fd/{kept[1]}"
    reader = _Reader({_pipe(standard): own for standard, own in kept.items()}, kept)
    reader.start()
    atexit.register(reader.end)


def _pipe(standard: int) -> int:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    # Native code may print while it holds the interpreter, and with it the thread that reads.
    os.set_blocking(write, False)
    os.dup2(write, standard)
    os.close(write)
    return read


def join() -> None:
    """Have the log of a child process write to the console of its API process."""
    global _stream
    try:
        path = os.environ[VARIABLE]
        _stream = open(path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    except (KeyError, OSError):
        return
    faulthandler.enable(file=_stream)


class _Reader(threading.Thread):
    """Passes on what is printed, or says how many lines it was.

    `pipes` leads from the end that is read to where it is passed on, `kept` from stdout and stderr
    to what they were.
    """

    def __init__(self, pipes: Mapping[int, int], kept: Mapping[int, int]) -> None:
        super().__init__(daemon=True, name="native-output")
        self._pipes = pipes
        self._kept = kept
        self._ending = threading.Event()
        self._lines = 0
        self._told = 0.0

    def run(self) -> None:
        """Read until the process ends, or nobody is left who could print."""
        written = set(self._pipes)
        while written:
            ready, _, _ = select.select([*written], [], [], _LOOK_SECONDS)
            for pipe in ready:
                text = os.read(pipe, _PIPE_BYTES)
                if text:
                    self._take(text, self._pipes[pipe])
                else:
                    # Of a pipe without a writer select would say at once that it is ready.
                    written.discard(pipe)
            self._tell()
            if not ready and self._ending.is_set():
                break
        self._told = 0.0
        self._tell()

    def end(self) -> None:
        """Pass on what is left, and give stdout and stderr back."""
        for standard, own in self._kept.items():
            os.dup2(own, standard)
        self._ending.set()
        self.join(5 * _LOOK_SECONDS)

    def _take(self, text: bytes, to: int) -> None:
        if serving.has_begun():
            self._lines += text.count(b"\n") or 1
            return
        while text:
            text = text[os.write(to, text) :]

    def _tell(self) -> None:
        now = time.monotonic()
        if self._lines and (now - self._told > _TELL_SECONDS or self._ending.is_set()):
            lines, self._lines, self._told = self._lines, 0, now
            _log.warning("native code printed %d lines: hidden, for a caller may be quoted", lines)
