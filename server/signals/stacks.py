"""Stacks of the server's processes, asked for from outside: places in code, and no values.

A child of the API process answers a signal by a handler in C, which needs neither the interpreter's
lock nor a thread that has time. Who does not answer is told by the kernel: state and wait channel.
"""

import faulthandler
import fcntl
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from server.signals import code_places, process

ANSWER_SECONDS = 2.0
"""How long a process may take to answer."""
MOST_PROCESSES = 32
MOST_FRAMES = 16
"""The innermost frames of a thread that are told."""
_LOOKED_AT = 100
_SIGNAL = signal.SIGUSR2
_MARK = "llm-server-stacks"
_LOOK_SECONDS = 0.05
_FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_COMPILERS = (
    "torch/_dynamo/convert_frame.py", "torch/_dynamo/symbolic_convert.py",
    "torch/_inductor/async_compile.py", "torch/_inductor/codecache.py",
    "torch/_inductor/compile_fx.py", "torch/_inductor/cpp_builder.py", "torch/_inductor/graph.py",
    "torch/_inductor/scheduler.py", "torch/utils/cpp_extension.py", "triton/compiler/compiler.py",
    "flashinfer/jit/core.py", "vllm/compilation/compiler_interface.py",
)  # fmt: skip
"""Files that are on a stack while code is being made, and not while it runs."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Seen:
    """One process: its threads' places, innermost first; without them what the kernel says of it.

    `asked` is False for a process that is no server of ours, such as a tool that one has started.
    """

    pid: int
    name: str
    threads: Sequence[tuple[str, ...]] = ()
    state: str = ""
    asked: bool = True

    @property
    def is_silent(self) -> bool:
        """True where it was asked and did not answer."""
        return self.asked and not self.threads

    @property
    def is_compiling(self) -> bool:
        """True where a thread makes code."""
        places = (place for thread in self.threads for place in thread)
        return any(place.startswith(_COMPILERS) for place in places)


def listen() -> None:
    """Answer from now on, in a child of the API process."""
    file = os.memfd_create(f"{_MARK}-{os.getpid()}")
    fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
    faulthandler.register(_SIGNAL, file=file, all_threads=True)


def own() -> Seen:
    """The stacks of this process."""
    frames = sys._current_frames()
    mine = threading.get_ident()
    main = threading.main_thread().ident
    # The main thread is what is looked for first.
    idents = sorted((i for i in frames if i != mine), key=lambda i: i != main)
    threads = [code_places.of_frame(frames[ident], _LOOKED_AT) for ident in idents]
    return Seen(os.getpid(), "API process", threads)


def below(patience: float = ANSWER_SECONDS) -> list[Seen]:
    """What each process below this one is doing; the wait for all of them is one, in seconds."""
    asked = {pid: _ask(pid) for pid in process.below(os.getpid())[:MOST_PROCESSES]}
    until = time.monotonic() + patience
    said = dict.fromkeys(asked, "")
    due = {pid: file for pid, file in asked.items() if file is not None}
    while due and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        for pid, file in tuple(due.items()):
            before, said[pid] = said[pid], _read(file)
            # A text that has stopped to grow is whole.
            if said[pid] and said[pid] == before:
                del due[pid]
    seen = [_seen(pid, said[pid], file is not None) for pid, file in asked.items()]
    for open_file in filter(None, asked.values()):
        os.close(open_file)
    return seen


def _ask(pid: int) -> int | None:
    # Who has no handler would die of the signal.
    file = _file(pid)
    try:
        if file is not None and _handles(pid):
            os.ftruncate(file, 0)
            os.kill(pid, _SIGNAL)
            return file
    except OSError:
        pass
    if file is not None:
        os.close(file)
    return None


def _file(pid: int) -> int | None:
    with suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                # A child that was forked has its parent's file, with its parent's pid.
                if str(link.readlink()).partition(" ")[0] == f"/memfd:{_MARK}-{pid}":
                    return os.open(link, os.O_RDWR)
    return None


def _handles(pid: int) -> bool:
    caught = int(_status(pid).get("SigCgt", "0"), 16)
    return bool(caught >> (_SIGNAL - 1) & 1)


def _status(pid: int) -> dict[str, str]:
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _read(file: int) -> str:
    return os.pread(file, 1 << 20, 0).decode(errors="replace")


def _seen(pid: int, said: str, asked: bool) -> Seen:
    # The main thread comes last there.
    threads = list(_threads(said))[::-1]
    return Seen(pid, _name(pid), threads, "" if threads else state(pid), asked)


def _threads(said: str) -> Iterator[tuple[str, ...]]:
    found = (_FRAME.fullmatch(line) for line in said.splitlines())
    for is_frame, frames in groupby(found, key=bool):
        if is_frame:
            places = (code_places.place(f[1], int(f[2]), f[3]) for f in frames if f)
            yield tuple(places)


def _name(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return "gone"


def state(pid: int) -> str:
    """What the kernel says of a process that does not: proc(5) state, wait channel, threads."""
    try:
        status = _status(pid)
        waits = (_PROC / str(pid) / "wchan").read_text()
    except OSError:
        return "gone"
    channel = waits if waits not in ("", "0") else "not told"
    return f"state {status['State']}, wait channel {channel}, threads {status['Threads']}"


def as_text(seen: Seen) -> str:
    """The process in lines: threads that stand in the same place are told once."""
    head = f"{seen.name} (pid {seen.pid})"
    if not seen.threads:
        why = f"no answer in {ANSWER_SECONDS:g} s" if seen.asked else "tells no stack"
        return f"{head}: {why}; {seen.state}"
    lines = [f"{head}:"]
    for thread, count in Counter(each[:MOST_FRAMES] for each in seen.threads).items():
        lines.append("  thread" if count == 1 else f"  {count} threads")
        lines += (f"    {place}" for place in thread)
    return "\n".join(lines)
