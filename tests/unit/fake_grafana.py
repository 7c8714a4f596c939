"""A Grafana of four answers a data source, for who asks after them."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.unit.listening import listening

PASSWORD = "right"
UIDS = ("prometheus", "loki", "tempo", "alertmanager")
PROBES = {
    "prometheus": "/api/datasources/uid/prometheus/health",
    "loki": "/api/datasources/uid/loki/health",
    "tempo": "/api/datasources/proxy/uid/tempo/api/echo",
    "alertmanager": "/api/datasources/proxy/uid/alertmanager/api/v2/status",
}


@dataclass
class Fake:
    """What it answers by path, and what it was asked."""

    port: int = 0
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def healthy(cls) -> "Fake":
        listed = json.dumps([{"uid": uid, "type": uid} for uid in UIDS])
        fake = cls(answers={"/api/health": (200, "{}"), "/api/user": (200, "{}")})
        fake.answers |= {"/api/datasources": (200, listed)}
        fake.answers |= {f"/api/plugins/{uid}/settings": (200, "{}") for uid in UIDS}
        fake.answers |= dict.fromkeys(PROBES.values(), (200, '{"status":"OK"}'))
        return fake

    def without(self, uid: str) -> None:
        """Grafana no longer knows this data source."""
        listed = json.dumps([{"uid": one, "type": one} for one in UIDS if one != uid])
        self.answers["/api/datasources"] = (200, listed)
        self.answers[PROBES[uid]] = (404, '{"message":"Data source not found"}')


def _answer(fake: Fake, path: str, login: str | None) -> tuple[int, str]:
    fake.asked.append(path)
    expected = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    if path != "/api/health" and login != expected:
        return 401, '{"message":"Invalid username or password"}'
    return fake.answers.get(path, (404, '{"message":"Not found"}'))


@contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """The fake on a port of its own for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = _answer(fake, self.path, self.headers.get("Authorization"))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.port = server.server_port
    with listening(server):
        yield fake
