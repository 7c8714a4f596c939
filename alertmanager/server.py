"""alertlog's HTTP: what Alertmanager posts, and what Prometheus and people ask."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import REGISTRY

from alertmanager.delivery import AlertLog
from alertmanager.webhook import RefusedError, read_alerts

MAX_BODY_BYTES = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """POST /alerts, GET /health and GET /metrics."""

    server: "Server"
    timeout = 15

    def do_GET(self) -> None:
        """Answer /health and /metrics, 404 for anything else."""
        if self.path == "/health":
            self._answer(200, "ok\n")
        elif self.path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(REGISTRY).decode(), kind)
        else:
            self._answer(404, "GET /health, GET /metrics or POST /alerts\n")

    def do_POST(self) -> None:
        """Take a webhook: 200 delivered, 503 try again, 4xx with the reason."""
        try:
            taken = self.server.alertlog.deliver(read_alerts(self._body()))
        except RefusedError as refused:
            self._answer(refused.status, f"{refused}\n")
        else:
            late = "the Collector does not take logs now; send again\n"
            self._answer(*(200, "delivered\n") if taken else (503, late))

    def _body(self) -> bytes:
        if self.path != "/alerts":
            raise RefusedError(404, "alerts go to POST /alerts")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(411, "a Content-Length is needed")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"at most {MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        data = text.encode()
        # What was not read of a refused body must not be taken for the next request.
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's name
        """Say nothing for each request: /metrics counts them."""


class Server(ThreadingHTTPServer):
    """The HTTP server, holding what its handlers deliver to."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], alertlog: AlertLog) -> None:
        super().__init__(address, Handler)
        self.alertlog = alertlog
