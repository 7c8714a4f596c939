"""`make tunnel HOST=user@gpubox`: API and pages of a stack elsewhere, on the same ports here."""

import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from stack.errors import Fault
from stack.http import probe
from stack.parts.lineup import COMPOSE, LineUp
from stack.parts.table import Part, parts
from stack.readiness import ports
from stack.say import paint, say, title
from stack.settings import Settings

METRICS = 9464
OPEN_SECONDS = 60.0
"""What it may take to log in, a passphrase typed by hand included."""
_HOST = re.compile(r"(?:ssh://)?(?:\w[\w.%-]{0,63}@)?[\w\[][\w.:%\[\]-]{0,252}", re.ASCII)
_ONE = re.compile(r"(?:(\d{1,5}):)?(\d{1,5})")
# One connection of its own, whose end ends every tunnel; nothing of ours goes along; and either all
# ports are forwarded or none.
_OPTIONS = {
    "ExitOnForwardFailure": "yes",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GatewayPorts": "no",
    # A part that does not run there is a line of ours, not one of ssh for each try.
    "LogLevel": "ERROR",
}
_LEFT_OUT = ("otel-collector", "node-exporter", "tempo", "loki")
"""What has no page, and nothing for a person to call."""


@dataclass(frozen=True)
class Forward:
    """A port here that leads to one there; `part` is what is there, None for a port of yours."""

    local: int
    remote: int
    part: Part | None = None

    @property
    def option(self) -> str:
        """The word behind -L: loopback on both sides."""
        return f"127.0.0.1:{self.local}:127.0.0.1:{self.remote}"

    @property
    def shown(self) -> str:
        """What a browser opens, and what is there."""
        if self.part is None:
            return f"http://127.0.0.1:{self.local}/"
        page = self.part.page.partition("/")[2] if self.remote == self.part.ports[0] else "metrics"
        return f"http://127.0.0.1:{self.local}/{page}"

    def answers(self) -> bool:
        """True when what is there says through the tunnel that it is ready."""
        if self.part is None:
            return False
        port, _, path = self.part.probe.partition("/")
        return probe(
            f"http://127.0.0.1:{self.local}/{path}" if int(port) == self.remote else self.shown
        )


def _all_parts() -> tuple[Part, ...]:
    """The parts of either way: which of them runs there is not known here."""
    native = parts(LineUp("jaeger", "victorialogs", grafana=False))
    every = {part.name: part for part in (*parts(COMPOSE), *native)}
    return tuple(part for name, part in every.items() if name not in _LEFT_OUT)


def forwards(settings: Settings) -> list[Forward]:
    """What PORTS names, else API, metrics and every page; raises Fault for no port."""
    known = {part.ports[0]: part for part in _all_parts()}
    named = settings.values.get("PORTS", "").replace(",", " ").split()
    if not named:
        made = [Forward(port, port, part) for port, part in known.items()]
        server = next(part for part in known.values() if part.name == "server")
        return [*made, Forward(METRICS, METRICS, server)]
    found = [_ONE.fullmatch(word) for word in named]
    pairs = [(int(one[1] or one[2]), int(one[2])) for one in found if one]
    is_sound = len(pairs) == len(named) and all(0 < n < 65536 for pair in pairs for n in pair)
    if not is_sound or len({local for local, _ in pairs}) < len(pairs):
        raise Fault(
            f"PORTS={settings.values['PORTS']} is not understood",
            "write ports of there, each once, with the port of here before it where that differs: "
            "PORTS=8000,13000:3000",
        )
    return [Forward(local, remote, known.get(remote)) for local, remote in pairs]


def command(host: str, wanted: list[Forward]) -> list[str]:
    """The one ssh that carries them all."""
    options = [word for key, value in _OPTIONS.items() for word in ("-o", f"{key}={value}")]
    tunnels = [word for one in wanted for word in ("-L", one.option)]
    return ["ssh", "-N", "-T", *options, *tunnels, "--", host]


def _host(settings: Settings) -> str:
    host = settings.values.get("HOST", "").strip()
    if not _HOST.fullmatch(host):
        said = f"HOST={host} is no host of ssh" if host else "HOST is not set"
        raise Fault(said, "make tunnel HOST=user@gpubox, or a name of your ~/.ssh/config")
    return host


def _around(taken: list[Forward], wanted: list[Forward]) -> Iterator[str]:
    """The words of PORTS with which nothing is taken: what was free stays where it was."""
    used = {one.local for one in wanted}
    for one in wanted:
        local = one.local
        if one in taken:
            # Ten thousand up where there is such a port, or else down.
            others = chain(
                range(local + 10_000, 65_536, 1_000), range(local - 1_000, 1_023, -1_000)
            )
            local = next(port for port in others if port not in used and ports.is_free(port))
            used.add(local)
        yield f"{local}:{one.remote}" if local != one.remote else str(local)


def _check_free(wanted: list[Forward]) -> None:
    """Raise Fault for the ports here that somebody has, with the way around all of them."""
    taken = [one for one in wanted if not ports.is_free(one.local)]
    if not taken:
        return
    pid = ports.holder(taken[0].local)
    who = f" ({ports.command(pid)}, pid {pid})" if pid else ""
    names = ", ".join(str(one.local) for one in taken)
    moved = ",".join(_around(taken, wanted))
    raise Fault(
        f"in use on this machine: port {names}{who}",
        f"stop what is there (a stack of your own: make down), or move it: PORTS={moved}",
    )


def _await_open(ssh: subprocess.Popen[bytes], wanted: list[Forward]) -> bool:
    """True once every port listens here; False when ssh ended before."""
    until = time.monotonic() + OPEN_SECONDS
    while ssh.poll() is None and time.monotonic() < until:
        # They are opened in order. Not by trying to listen: ssh might try in that very moment.
        with suppress(OSError), socket.create_connection(("127.0.0.1", wanted[-1].local), 1.0):
            return True
        time.sleep(0.2)
    return ssh.poll() is None


def _show(wanted: list[Forward]) -> None:
    for one in wanted:
        name = one.part.name if one.part else f"port {one.remote} there"
        mark = paint("✓", "green") if one.answers() else " "
        say(f"  {mark} {name:<13} {one.shown}")
    say("  ✓ answers now; the others are as they are there. Ctrl-C closes all of it")


def _hold(ssh: subprocess.Popen[bytes], wanted: list[Forward]) -> int:
    """Tell what is open and wait for the end, ours by Ctrl-C or that of ssh."""
    try:
        if _await_open(ssh, wanted):
            _show(wanted)
        code = ssh.wait()
    except KeyboardInterrupt:
        say("  closed")
        return 0
    finally:
        ssh.terminate()
        ssh.wait()
    raise Fault(f"ssh ended with {code}", "its reason stands above; the tunnels are closed")


def tunnel(settings: Settings) -> int:
    """Run one ssh in the foreground; 0 after Ctrl-C, raises Fault when ssh ends by itself."""
    host, wanted = _host(settings), forwards(settings)
    if not shutil.which("ssh"):
        raise Fault("there is no ssh on PATH", "apt-get install openssh-client")
    _check_free(wanted)
    line = command(host, wanted)
    # Ended by another signal than Ctrl-C, it would leave ssh behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    title(f"Tunnels to {host}")
    say(f"  {shlex.join(line)}")
    return _hold(subprocess.Popen(line), wanted)
