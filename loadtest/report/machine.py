"""The machine that the report is made on: of a run in a container or elsewhere, not the run's."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Machine:
    """What a figure depends on beside the server; memory in bytes, None where not known."""

    cores: int
    cpu: str
    memory_bytes: int | None
    kernel: str
    python: str


def _first(path: Path, pattern: str) -> str | None:
    try:
        found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def machine(proc: Path = PROC) -> Machine:
    """The machine as Linux tells it; `cores` are those that this process may use."""
    memory = _first(proc / "meminfo", r"^MemTotal:\s*(\d+) kB")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_first(proc / "cpuinfo", r"^model name\s*:\s*(.+)$") or NOT_KNOWN,
        memory_bytes=None if memory is None else int(memory) * 1024,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )
