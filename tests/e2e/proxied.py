"""The real Caddy with the shipped remote/Caddyfile, in front of what a test brings."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stack.readiness import ports
from tests import docs
from tests.conftest import REPO
from tests.e2e.client import poll
from tests.unit.listening import listening

CADDY = shutil.which("caddy")
CADDYFILE = REPO / "remote" / "Caddyfile"
EVENT = b"data: %d\n\n"


class Upstream(ThreadingHTTPServer):
    """Answers with what it was asked; `/v1/stream` event by event, `/v1/long` when told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.next = threading.Semaphore(0)
        self.hung_up = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        self.rfile.read(int(headers.get("content-length", 0)))
        if self.path == "/v1/stream":
            self._stream()
        elif self.path == "/v1/long":
            self._wait_for_its_end()
        else:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.send_header("x-request-id", headers.get("x-request-id", ""))
            self.send_header("x-trace-id", "t" * 32)
            self.end_headers()
            self.wfile.write(b"ok")

    do_POST = do_OPTIONS = do_GET  # noqa: N815, what the base class looks for

    def _stream(self) -> None:
        """An event each time the test has seen the one before, until somebody hangs up."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            for number in range(1000):
                event = EVENT % number
                self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
                self.wfile.flush()
                # Once the test has what it wanted an event goes out every 20 ms.
                self.server.next.acquire(timeout=10 if number < 3 else 0.02)
            return
        self.server.hung_up.set()
        self.close_connection = True

    def _wait_for_its_end(self) -> None:
        """No answer: the connection's end is what is waited for."""
        self.connection.settimeout(20)
        with suppress(OSError):
            if self.connection.recv(1) == b"":
                self.server.hung_up.set()
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        return None


@dataclass
class Proxy:
    """The running Caddy: its ports, what is behind it, and what it logged."""

    api: int
    grafana: int
    upstream: Upstream
    log: Path
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def connect(self, port: int | None = None) -> HTTPSConnection:
        """A connection whose certificate is checked; paths go out as they are written."""
        where = port or self.api
        return HTTPSConnection("localhost", where, context=self.trust, timeout=20)

    def ask(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", port: int = 0
    ) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of an answer."""
        connection = self.connect(port or self.api)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        found = {name.lower(): text for name, text in answer.getheaders()}
        text = answer.read().decode()
        connection.close()
        return answer.status, text, found


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


@contextmanager
def running(folder: Path, **given: str) -> Iterator[Proxy]:
    """Caddy with a CA of its own that makes a certificate for localhost."""
    health, api, grafana = ports.any_free(), ports.any_free(), ports.any_free()
    with listening(upstream := Upstream()) as url:
        behind = url.removeprefix("http://")
        instead = {
            "llm.example.org": "localhost", "127.0.0.1:8000": behind, "127.0.0.1:3000": behind,
            "LISTEN_API=443": f"LISTEN_API={api}", "GRAFANA=3443": f"GRAFANA={grafana}",
        }  # fmt: skip
        documented, command = docs.command(docs.block("remote.md", "caddy", instead))
        env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder), **documented, "REMOTE_LISTEN_HEALTH": str(health),
            **given,
        }  # fmt: skip
        log = folder / "caddy.log"
        with log.open("w") as out:
            caddy = subprocess.Popen(
                command, cwd=REPO, env=env, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            poll("Caddy", lambda: _listens(health) and _listens(api) and root.exists(), 20.0)
            proxy = Proxy(api, grafana, upstream, log)
            proxy.trust.load_verify_locations(root)
            yield proxy
        finally:
            upstream.next.release(1000)
            caddy.terminate()
            caddy.wait(20)
