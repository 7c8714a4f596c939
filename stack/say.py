"""What the commands print: plain lines, colour only where it helps and is wanted."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import IO, Any, cast

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ERASE = "\r\x1b[2K"
HEARTBEAT_SECONDS = 15.0


def is_terminal() -> bool:
    """True when standard output is a terminal that can rewrite its last line."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    """Wrap text in a terminal colour; unchanged without a terminal or with NO_COLOR set."""
    if not is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def visible(text: str) -> str:
    """One line of visible characters, others as `·`: nothing from elsewhere steers a terminal."""
    return "".join(letter if letter.isprintable() else "·" for letter in " ".join(text.split()))


@dataclass(eq=False)
class Ticker:
    """A line that shows what is waited for and for how long; its label may change meanwhile."""

    label: str
    start: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)

    def elapsed(self) -> float:
        """Seconds since the ticker started."""
        return time.monotonic() - self.start

    def run(self) -> None:
        """Beat until done: every second on a terminal, every 15 s elsewhere."""
        live = is_terminal()
        while not self.done.wait(1.0 if live else HEARTBEAT_SECONDS):
            # A terminal has one last line for all that ticks: the oldest ticker writes it.
            if not live:
                print(f"  … {self._state()}", flush=True)
            elif _TICKING[:1] == [self]:
                states = ", ".join(ticker._state() for ticker in [*_TICKING])
                print(f"{_ERASE}  … {states}", end="", flush=True)

    def _state(self) -> str:
        return f"{self.label} {clock(self.elapsed())}"


_TICKING: list[Ticker] = []


def say(text: str = "") -> None:
    """Print one line at once, also into a pipe, in the place of a ticking line."""
    print(f"{_ERASE}{text}" if _TICKING and is_terminal() else text, flush=True)


def title(text: str) -> None:
    """Print a heading with an empty line before it."""
    say(f"\n{paint(text, 'bold')}")


def complain(text: str) -> None:
    """Print one error line on standard error."""
    sys.stdout.flush()
    print(f"{paint('error', 'red')}: {text}", file=sys.stderr, flush=True)


def aside(text: str) -> None:
    """Print one line on standard error: what whoever takes the output does not want in it."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Seconds as `m:ss`, the way a stopwatch shows them."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def lasting(seconds: float) -> str:
    """Seconds as `3m07s` or `2h05m`, the way a table shows how long something has lasted."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


@contextmanager
def ticking(label: str) -> Iterator[Ticker]:
    """Keep a ticking line alive for the block and take it away at its end."""
    ticker = Ticker(label)
    thread = threading.Thread(target=ticker.run, daemon=True)
    _TICKING.append(ticker)
    thread.start()
    try:
        yield ticker
    finally:
        ticker.done.set()
        thread.join()
        _TICKING.remove(ticker)
        if is_terminal():
            print(_ERASE, end="", flush=True)


@contextmanager
def step(label: str) -> Iterator[None]:
    """Show a step while it runs, then one line with a mark and the time it took."""
    mark, start = paint("✗", "red"), time.monotonic()
    try:
        with ticking(label):
            yield
        mark = paint("✓", "green")
    finally:
        say(f"  {mark} {label} {paint(clock(time.monotonic() - start), 'dim')}")


class _Outliving:
    """A stream that writes into nothing once its terminal is closed or its reader has gone."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any stream, but for errors of the file beneath."""
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """As of any stream, but for errors of the file beneath."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        # What is buffered goes the same way, or the end of the program would fail by it.
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


@contextmanager
def outliving_readers() -> Iterator[None]:
    """What is printed in the block fails nobody, whoever has stopped to read it."""
    out, errors = (cast("IO[str]", _Outliving(each)) for each in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(errors):
        yield
