"""The drill's own receiver: a webhook on a loopback port that remembers what arrived and when."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stack.alerts.alert import moment

Identity = frozenset[tuple[str, str]]
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Notice:
    """One alert as it arrived: Unix seconds when it fired, arrived, and its end arrived (or 0)."""

    labels: Mapping[str, str]
    fired: float
    arrived: float
    ended: float = 0.0

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "?")


@dataclass
class Receiver:
    """What has arrived since the last `forget`."""

    url: str = ""
    refuses: str = ""
    """The name of the alert whose notifications are answered with 500."""
    _notices: dict[Identity, Notice] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._notices.clear()

    def notices(self) -> list[Notice]:
        """What has arrived, in order."""
        with self._lock:
            return list(self._notices.values())

    def take(self, body: Mapping[str, Any], now: float) -> bool:
        """Remember a notification; False where this receiver is to refuse it."""
        alerts = body["alerts"]
        if self.refuses and any(one["labels"].get("alertname") == self.refuses for one in alerts):
            return False
        with self._lock:
            for one in alerts:
                self._take(one, now)
        return True

    def _take(self, one: Mapping[str, Any], now: float) -> None:
        identity = frozenset(one["labels"].items())
        known = self._notices.get(identity)
        if one["status"] == "resolved":
            # An end without a beginning is of a drill before this one.
            if known:
                ended = Notice(known.labels, known.fired, known.arrived, now)
                self._notices[identity] = ended
        elif not known or known.ended:
            self._notices[identity] = Notice(one["labels"], moment(one["startsAt"]), now)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(min(size, _MOST_BYTES))
            try:
                status = 200 if receiver.take(json.loads(body), time.time()) else 500
            except (ValueError, KeyError, TypeError, AttributeError):
                status = 400
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: standard error is the drill's own."""

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on a free loopback port for the block."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
