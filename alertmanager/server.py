"""alertlog's HTTP: what Alertmanager posts, and what Prometheus and people ask."""

import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import REGISTRY

from alertmanager.delivery import AlertLog
from alertmanager.frame import POLICY
from alertmanager.heartbeat import Heartbeat
from alertmanager.neighbours import FOREIGN, may_ask
from alertmanager.newest import Newest
from alertmanager.routes import Answer, Desk
from alertmanager.webhook import Alert, RefusedError, read_alerts

MAX_BODY_BYTES = 1 << 20
_MAX_DIGITS = 20
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Handler(BaseHTTPRequestHandler):
    """GET by the desk and /metrics; POST /alerts and POST /heartbeat."""

    server: "Server"
    server_version = "alertlog"
    sys_version = ""
    timeout = 15

    def do_GET(self) -> None:
        """Answer /metrics, and to anything else what the desk says."""
        if not may_ask(self.headers, posts=False):
            self._answer(Answer(403, FOREIGN))
        elif self.path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(Answer(200, encode(REGISTRY).decode(), kind))
        else:
            self._answer(self.server.desk.get(self.path))

    def do_POST(self) -> None:
        """Take a webhook: 200 delivered, 503 try again, 4xx with the reason."""
        try:
            self._answer(self.server.take(self.path, read_alerts(self._body())))
        except RefusedError as refused:
            self._answer(Answer(refused.status, f"{refused}\n"))

    def _body(self) -> bytes:
        if not may_ask(self.headers, posts=True):
            raise RefusedError(403, FOREIGN.strip())
        if self.path not in ("/alerts", "/heartbeat"):
            raise RefusedError(404, "alerts go to POST /alerts, the Watchdog to POST /heartbeat")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(411, "a Content-Length is needed")
        # Python reads no number of more than 4300 digits.
        if len(length) > _MAX_DIGITS or int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"at most {MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _answer(self, answer: Answer) -> None:
        data = answer.text.encode()
        # What was not read of a refused body must not be taken for the next request.
        self.close_connection = True
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if answer.location:
            self.send_header("Location", answer.location)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's name
        """Say nothing for each request: /metrics counts them."""


class Server(ThreadingHTTPServer):
    """The HTTP server, holding what its handlers deliver to and ask."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        alertlog: AlertLog,
        desk: Desk,
        newest: Newest,
        heartbeat: Heartbeat,
    ) -> None:
        super().__init__(address, Handler)
        self.alertlog = alertlog
        self.desk = desk
        self._newest = newest
        self._heartbeat = heartbeat

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that left: whoever asks may, at any moment."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def take(self, path: str, alerts: Sequence[Alert]) -> Answer:
        """What becomes of alerts that were posted to a path."""
        if path == "/heartbeat":
            is_one = self._heartbeat.note(alerts)
            return Answer(200, "marked\n" if is_one else "no firing Watchdog in it\n")
        self._newest.note(alerts)
        if self.alertlog.deliver(alerts):
            return Answer(200, "delivered\n")
        return Answer(503, "the Collector does not take logs now; send again\n")
