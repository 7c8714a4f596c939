"""Talks to supervisord over its unix socket: XML-RPC, with the standard library only."""

import http.client
import os
import socket
import xmlrpc.client
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.settings import Settings


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket, addressed through its folder so that long paths work."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=90)
        self._path = path

    def connect(self) -> None:
        """Connect by a file descriptor: a socket address holds only about 107 characters."""
        folder = os.open(self._path.parent, os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002, the base class names it
        return _Connection(self._path)


@dataclass(frozen=True)
class Process:
    """What supervisord knows of one part: its state, pid, last start (Unix s) and uptime (s)."""

    name: str
    state: str
    pid: int
    started: int
    uptime: int
    exit_status: int
    problem: str


class Supervisor:
    """One running supervisord; its methods raise OSError when it does not answer."""

    def __init__(self, socket_path: Path) -> None:
        self._proxy: Any = xmlrpc.client.ServerProxy(
            "http://localhost/RPC2", transport=_Transport(socket_path)
        ).supervisor

    def pid(self) -> int:
        """The process id of supervisord itself."""
        return int(self._proxy.getPID())

    def processes(self) -> dict[str, Process]:
        """Every part by its name."""
        return {row["name"]: _process(row) for row in self._proxy.getAllProcessInfo()}

    def start_all(self) -> None:
        """Start what is stopped, without waiting."""
        self._proxy.startAllProcesses(False)

    def stop(self, name: str) -> None:
        """Stop one part and wait for its end; it stays down until it is started."""
        self._proxy.stopProcess(name, True)

    def start(self, name: str) -> None:
        """Start one part, without waiting."""
        self._proxy.startProcess(name, False)

    def shutdown(self) -> None:
        """Stop every part, then supervisord; returns before that is done."""
        self._proxy.shutdown()


def _process(row: dict[str, Any]) -> Process:
    running = row["statename"] == "RUNNING"
    return Process(
        name=row["name"],
        state=row["statename"],
        pid=row["pid"],
        started=row["start"],
        uptime=max(0, row["now"] - row["start"]) if running else 0,
        exit_status=row["exitstatus"],
        problem=row["spawnerr"],
    )


def socket_path(settings: Settings) -> Path:
    """Where the socket lies, as native/supervisord.conf says."""
    config = RawConfigParser(inline_comment_prefixes=(" ;", "\t;"))
    config.read(settings.repo / "native" / "supervisord.conf")
    named = config.get("unix_http_server", "file")
    for key, value in (("STATE_DIR", str(settings.state)), ("REPO", str(settings.repo))):
        named = named.replace(f"%(ENV_{key})s", value)
    return Path(named)


def running(settings: Settings) -> Supervisor | None:
    """The supervisord of this state folder, or None when none answers."""
    supervisor = Supervisor(socket_path(settings))
    try:
        supervisor.pid()
    except (OSError, xmlrpc.client.Error, http.client.HTTPException):
        return None
    return supervisor
