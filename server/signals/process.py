"""CPU and memory of the API process and of the engine's processes below it, from /proc.

Why not by psutil: docs/decisions/0018-libraries-that-we-did-not-take.md.
"""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.registry import Collector

from server.catalogue import own
from server.signals.instruments import Family, family

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER_TIME, _SYSTEM_TIME, _STARTED, _RESIDENT = 11, 12, 19, 21
"""Places in /proc/<pid>/stat after the command, which may hold spaces and parentheses."""


class ProcessCollector(Collector):
    """Reads /proc at each scrape; a kernel without CONFIG_PROC_CHILDREN shows no engine."""

    def __init__(self, pid: int | None = None, proc: Path = Path("/proc")) -> None:
        self._pid = pid or os.getpid()
        self._proc = proc
        self._spent: dict[str, dict[tuple[int, str], int]] = {"api": {}, "engine": {}}

    def describe(self) -> list[Family]:
        """The families without samples."""
        return [family(own.PROCESS_CPU), family(own.PROCESS_MEMORY)]

    def collect(self) -> Iterator[Family]:
        """Seconds and bytes of `api` and, once it runs, `engine`."""
        cpu, memory = self.describe()
        for name, pids in {"api": [self._pid], "engine": below(self._pid, self._proc)}.items():
            stats = {pid: stat for pid in pids if (stat := self._stat(pid))}
            if stats:
                cpu.add_metric([name], self._ticks(name, stats) / _TICKS)
                resident = sum(int(stat[_RESIDENT]) for stat in stats.values())
                memory.add_metric([name], _PAGE * resident)
        yield from (cpu, memory)

    def _ticks(self, name: str, stats: Mapping[int, list[str]]) -> int:
        # A child that ends keeps its share: a sum that fell would read as a burst of all of it.
        spent = self._spent[name]
        for pid, stat in stats.items():
            spent[pid, stat[_STARTED]] = int(stat[_USER_TIME]) + int(stat[_SYSTEM_TIME])
        return sum(spent.values())

    def _stat(self, pid: int) -> list[str]:
        try:
            return _fields(self._proc / str(pid))
        except OSError:
            return []


def below(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """The processes below one, each before its own children."""
    children = [child for task in _tasks(proc / str(pid)) for child in _children(task)]
    return children + [each for child in children for each in below(child, proc)]


def _tasks(folder: Path) -> list[Path]:
    try:
        return list((folder / "task").iterdir())
    except OSError:
        return []


def _children(task: Path) -> list[int]:
    try:
        return [int(pid) for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def _fields(folder: Path) -> list[str]:
    return (folder / "stat").read_text().rpartition(")")[2].split()


def started() -> int:
    """When this process started, ns of CLOCK_MONOTONIC (proc(5): ticks since boot)."""
    ticks = int(_fields(Path("/proc/self"))[_STARTED])
    suspended = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return ticks * 10**9 // _TICKS - suspended
