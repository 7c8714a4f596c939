"""`make tunnel`: what it asks of ssh, what it refuses, and tunnels through a real sshd."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack.commands import tunnel
from stack.errors import Fault
from stack.readiness import ports
from tests import docs
from tests.conftest import REPO
from tests.unit.listening import listening
from tests.unit.receiving import settings_of

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
needs_sshd = pytest.mark.skipif(not SSHD, reason="no sshd: apt-get install openssh-server")


def test_every_page_is_on_the_port_that_links_name(tmp_path: Path) -> None:
    found = {one.local: one for one in tunnel.forwards(settings_of(tmp_path))}
    assert found.keys() == {8000, 9464, 9090, 9093, 9095, 3000, 16686, 9428}
    assert all(local == one.remote for local, one in found.items())
    assert found[9464].shown.endswith("/metrics") and found[3000].shown.endswith(":3000/")


@pytest.mark.parametrize(("block", "host"), [("tunnel", "user@gpubox"), ("tunnel-ports", "gpubox")])
def test_what_the_page_says_is_understood(tmp_path: Path, block: str, host: str) -> None:
    given, words = docs.command(docs.block("remote.md", block))
    assert words == ["make", "tunnel"]
    settings = settings_of(tmp_path, **given)
    assert tunnel._host(settings) == host
    assert {8000, 3000} <= {one.remote for one in tunnel.forwards(settings)}


def test_ports_can_be_chosen_and_moved(tmp_path: Path) -> None:
    found = tunnel.forwards(settings_of(tmp_path, PORTS="8000, 13000:3000 7777"))
    assert [(one.local, one.remote) for one in found] == [(8000, 8000), (13000, 3000), (7777, 7777)]
    assert found[1].part and found[1].part.name == "grafana" and found[2].part is None


@pytest.mark.parametrize("ports_", ["x", "0", "70000", "8000:", "1:2:3", "80,80:81", "-1"])
def test_no_port_is_refused(tmp_path: Path, ports_: str) -> None:
    with pytest.raises(Fault, match="PORTS"):
        tunnel.forwards(settings_of(tmp_path, PORTS=ports_))


@pytest.mark.parametrize(
    "host", ["", "-oProxyCommand=x", "a b", "a;b", "user@-x", "a\nb", "ssh://-x"]
)
def test_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(Fault, match="HOST"):
        tunnel.tunnel(settings_of(tmp_path, HOST=host))


def test_ssh_is_told_to_listen_on_loopback_and_to_do_all_or_nothing(tmp_path: Path) -> None:
    line = tunnel.command("me@box", tunnel.forwards(settings_of(tmp_path, PORTS="13000:3000")))
    assert line[:3] == ["ssh", "-N", "-T"] and line[-2:] == ["--", "me@box"]
    assert line[-4:-2] == ["-L", "127.0.0.1:13000:127.0.0.1:3000"]
    for option in ("ExitOnForwardFailure=yes", "ControlPath=none", "GatewayPorts=no"):
        assert option in line


def test_a_port_that_is_taken_is_named_with_the_way_around_it(tmp_path: Path) -> None:
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)) as url:
        port = int(url.rpartition(":")[2])
        free = ports.any_free()
        given = {"HOST": "box", "PORTS": f"{free}:8000,{port}:3000"}
        with pytest.raises(Fault, match=rf"port {port}.*PORTS={free}:8000,(\d+):3000$") as caught:
            tunnel.tunnel(settings_of(tmp_path, **given))
        # What it proposes is taken by itself, and free.
        proposed = str(caught.value).rpartition("PORTS=")[2]
        made = tunnel.forwards(settings_of(tmp_path, PORTS=proposed))
        tunnel._check_free(made)


def test_the_way_around_a_high_port_is_a_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port not in (60_000, 59_000))
    monkeypatch.setattr(ports, "holder", lambda _: None)
    given = settings_of(tmp_path, PORTS="60000:3000,58000:8000,9090")
    with pytest.raises(Fault, match=r"PORTS=57000:3000,58000:8000,9090$"):
        tunnel._check_free(tunnel.forwards(given))


class _There(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"there")

    def log_message(self, *args: object) -> None:
        return None


def _sshd(folder: Path, port: int) -> list[str]:
    """A real sshd for this user with a key of its own."""
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
    )
    return [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]


@contextmanager
def _box(folder: Path) -> Iterator[dict[str, str]]:
    """A box that is reached by ssh; yields the environment in which `make tunnel` finds it."""
    port = ports.any_free()
    command = _sshd(folder, port)
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"Host gpubox\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  BatchMode yes\n"
    )
    # ssh finds ~ by the password file and not by HOME, so the real one is given its file here.
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    wrapper.chmod(0o755)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "sshd.log").open("w") as log, subprocess.Popen(command, stderr=log) as sshd:
        try:
            yield {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
        finally:
            sshd.terminate()


def _run(env: dict[str, str], **given: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "stack", "tunnel"], cwd=REPO, env={**env, **given}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        # Behind a shell's `&` tests run without SIGINT, and so would it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@contextmanager
def _watched(process: subprocess.Popen[str]) -> Iterator[None]:
    """Ends it where the test would hang."""
    watch = threading.Timer(30.0, process.kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        process.kill()
        process.wait()


@needs_sshd
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_through_a_real_sshd_a_page_is_here_until_the_end(tmp_path: Path, end: int) -> None:
    local = ports.any_free()
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), _There)) as there, _box(tmp_path) as env:
        remote = there.rpartition(":")[2]
        process = _run(env, HOST="gpubox", PORTS=f"{local}:{remote}")
        assert process.stdout
        with _watched(process):
            said = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            assert f"-L 127.0.0.1:{local}:127.0.0.1:{remote}" in "".join(said), said
            assert tunnel.probe(f"http://127.0.0.1:{local}/")
            process.send_signal(end)
            assert process.wait(10) == 0
            assert "closed" in process.stdout.read()
        assert ports.is_free(local)


@needs_sshd
def test_a_key_that_nobody_takes_ends_it_with_a_fault(tmp_path: Path) -> None:
    with _box(tmp_path) as env:
        (tmp_path / "authorized").write_text("")
        process = _run(env, HOST="gpubox", PORTS=f"{ports.any_free()}:8000")
        with _watched(process):
            said, _ = process.communicate()
        assert process.returncode == 1
        assert "Permission denied" in said and "ssh ended with 255" in said
