"""How long a process has run, by the kernel's own account: the audit's independent clock."""

import os
from pathlib import Path

_STARTED = 19
"""Place of the start time in /proc/<pid>/stat after the command (proc(5))."""
_COMMAND = ("-m", "server")


def seconds(pid: int, proc: Path = Path("/proc")) -> float:
    """Seconds since the process started, to a hundredth; raises OSError when it is gone."""
    ticks = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED])
    up = float((proc / "uptime").read_text().split()[0])
    return up - ticks / os.sysconf("SC_CLK_TCK")


def server_pid(age: float, proc: Path = Path("/proc")) -> int | None:
    """The process that serves, in a container of this machine or not; None when none is seen.

    Its children have other commands, and a shell or an init that started it has other arguments.
    Of several, such as another team's, the one that is nearest to `age` seconds old.
    """
    found = (int(folder.name) for folder in proc.iterdir() if folder.name.isdigit())
    servers = [pid for pid in found if _is_server(proc / str(pid))]
    return min(servers, key=lambda pid: abs(seconds(pid, proc) - age), default=None)


def _is_server(folder: Path) -> bool:
    try:
        words = (folder / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return False
    return "python" in Path(words[0]).name and tuple(words[1:3]) == _COMMAND
