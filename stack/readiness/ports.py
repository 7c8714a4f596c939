"""Who listens where: is a port free, and which process holds it (Linux, from /proc)."""

import socket
from pathlib import Path

_LISTEN = "0A"


def is_free(port: int) -> bool:
    """True when we could listen on 127.0.0.1 at this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it a connection that has just ended would count as a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port of 127.0.0.1 that nobody listened at a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        rows = [row.split() for row in table.read_text().splitlines()[1:]] if table.exists() else []
        local = f":{port:04X}"
        found |= {row[9] for row in rows if row[1].endswith(local) and row[3] == _LISTEN}
    return found


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir())
    except OSError:
        return False


def holder(port: int) -> int | None:
    """The id of the process that listens at this port, or None when it is not visible to us."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        if sockets and _holds(process, sockets):
            return int(process.name)
    return None


def command(pid: int) -> str:
    """The command line of a process without its program's folder, cut to 60 characters."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    return " ".join([Path(words[0]).name, *words[1:]]).strip()[:60]
