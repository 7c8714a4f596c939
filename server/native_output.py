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
from typing import TextIO

from server import serving

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
    """Let the log alone write to stdout from now on; native code of this process and its children
    is passed on until a caller is heard, and then only counted.
    """
    global _stream
    kept = os.dup(1)
    _stream = os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    # A crash tells places in the code, which may be told.
    faulthandler.enable(file=_stream)
    os.environ[VARIABLE] = f"/proc/{os.getpid()}/fd/{kept}"
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    # Native code may print while it holds the interpreter, and with it the thread that reads.
    os.set_blocking(write, False)
    for standard in (1, 2):
        os.dup2(write, standard)
    os.close(write)
    reader = _Reader(read, kept)
    reader.start()
    atexit.register(reader.end)


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
    """Passes on what is printed, or says how many lines it was."""

    def __init__(self, read: int, kept: int) -> None:
        super().__init__(daemon=True, name="native-output")
        self._read = read
        self._kept = kept
        self._ending = threading.Event()
        self._lines = 0
        self._told = 0.0

    def run(self) -> None:
        """Read until the process ends."""
        while True:
            ready, _, _ = select.select([self._read], [], [], _LOOK_SECONDS)
            if ready:
                self._take(os.read(self._read, _PIPE_BYTES))
            self._tell()
            if not ready and self._ending.is_set():
                return

    def end(self) -> None:
        """Pass on what is left, and give stdout and stderr back."""
        for standard in (1, 2):
            os.dup2(self._kept, standard)
        self._ending.set()
        self.join(5 * _LOOK_SECONDS)

    def _take(self, text: bytes) -> None:
        if serving.has_begun():
            self._lines += text.count(b"\n") or 1
            return
        while text:
            text = text[os.write(self._kept, text) :]

    def _tell(self) -> None:
        now = time.monotonic()
        if self._lines and (now - self._told > _TELL_SECONDS or self._ending.is_set()):
            lines, self._lines, self._told = self._lines, 0, now
            _log.warning("native code printed %d lines: hidden, for a caller may be quoted", lines)
