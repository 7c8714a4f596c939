"""What must hold before anything starts: each miss is one line that names the fix."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from stack.builds import gobuild, venv
from stack.errors import Fault
from stack.native import orphans, supervisor
from stack.parts.table import Part
from stack.readiness import checkout, ports
from stack.settings import Settings

GIB = 1024**3
SOCKET_BYTES = 107
LEAST_HOURS = 24
"""VictoriaLogs keeps whole days."""
_HOURS = re.compile(r"[1-9]\d*h")
COLD_DISK_GIB, WARM_DISK_GIB, MEMORY_GIB = 15.0, 2.0, 6.0


def check_ports(wanted: Iterable[Part]) -> None:
    """Raise Fault for the first port that somebody else listens on."""
    for part in wanted:
        for port in part.ports:
            if not ports.is_free(port):
                _refuse(part, port)


def _refuse(part: Part, port: int) -> None:
    pid = ports.holder(port)
    who = f"pid {pid} ({ports.command(pid)})" if pid else "a process that is not visible from here"
    fix = f"stop it: kill {pid}" if pid else f"find it with `ss -ltnp sport = :{port}` and stop it"
    if pid and (state := orphans.state_of(pid)):
        fix = f"that is another stack of ours, stop it: STATE_DIR={state} make down"
    raise Fault(f"port {port}, which {part.name} needs, is in use by {who}", fix)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def free_gib(path: Path) -> float:
    """GiB free on the file system that holds (or will hold) the path."""
    return shutil.disk_usage(_existing(path)).free / GIB


def check_disk(path: Path, needed_gib: float) -> None:
    """Raise Fault when the file system of the path has less than that many GiB free."""
    free = free_gib(path)
    if free < needed_gib:
        where = f"{free:.1f} GiB free on the disk of {path}, {needed_gib:.0f} GiB are needed"
        raise Fault(where, "make room, or set XDG_CACHE_HOME and STATE_DIR to a larger disk")


def _limit_gib() -> float:
    """The memory limit of our cgroup in GiB, infinite when there is none."""
    path = Path("/sys/fs/cgroup/memory.max")
    text = path.read_text().strip() if path.exists() else "max"
    return float("inf") if text == "max" else int(text) / GIB


def available_gib(meminfo: Path = Path("/proc/meminfo")) -> float:
    """GiB of memory that new processes can have, as the kernel and our cgroup allow."""
    rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return min(int(rows["MemAvailable"].split()[0]) / 1024**2, _limit_gib())


def check_memory(available: float) -> None:
    """Raise Fault when fewer than 6 GiB are available."""
    if available < MEMORY_GIB:
        have = f"{available:.1f} GiB of memory available, {MEMORY_GIB:.0f} GiB are needed"
        raise Fault(have, "stop something large, or give the machine or container more memory")


def check_socket(path: Path) -> None:
    """Raise Fault when supervisord could not bind its socket there: Linux allows 107 bytes."""
    longest = len(os.fsencode(path)) + len(".4194304")
    if longest > SOCKET_BYTES:
        over = f"the path of {path} is {longest - SOCKET_BYTES} bytes too long for a socket"
        raise Fault(over, "set STATE_DIR to a shorter folder, or move the checkout")


def check_retentions(settings: Settings) -> None:
    """Raise Fault for a retention that one of the stores would not read as it is meant."""
    for key in ("TRACES_RETENTION", "LOGS_RETENTION"):
        value = settings.values.get(key) or "336h"
        if not _HOURS.fullmatch(value) or int(value.removesuffix("h")) < LEAST_HOURS:
            said = f"{key}={value} is no retention that every store reads"
            raise Fault(said, f"write hours in .env, {LEAST_HOURS}h at least: {key}=336h")


def native(settings: Settings, wanted: Iterable[Part], recipes: Iterable[gobuild.Recipe]) -> None:
    """Check all that the native way needs; raises Fault and has changed nothing."""
    checkout.check_paths(settings)
    checkout.check_line_ends(settings)
    check_retentions(settings)
    check_socket(supervisor.socket_path(settings))
    check_ports(wanted)
    to_build = gobuild.missing(settings, recipes)
    cold = bool(to_build) or not venv.is_made(settings, "native")
    check_disk(settings.cache, COLD_DISK_GIB if cold else WARM_DISK_GIB)
    check_disk(settings.state, WARM_DISK_GIB)
    check_memory(available_gib())
    venv.check_python()
    if to_build:
        gobuild.check_toolchain(settings.repo)
