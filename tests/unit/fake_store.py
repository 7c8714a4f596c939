"""A store that answers what a test says, and remembers what it was asked."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.listening import listening

Answer = tuple[int, str]
CUT_OFF = "cut off"
"""An answer that begins so ends before it is whole, as that of a store that is killed."""


@dataclass
class FakeStore:
    """Where it listens, and the path and parameters of each question."""

    url: str
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the newest question."""
        return self.asked[-1][1]


def as_json(value: Any) -> Answer:
    """A good answer with this body."""
    return 200, json.dumps(value)


def as_lines(*rows: Any) -> Answer:
    """A good answer with one JSON value a line."""
    return 200, "".join(json.dumps(row) + "\n" for row in rows)


@contextmanager
def serving(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[FakeStore]:
    """Serve for the block; `answer` gets each path with its parameters."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            parameters = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            store.asked.append((parts.path, parameters))
            status, body = answer(parts.path, parameters)
            self.send_response(status)
            if body.startswith(CUT_OFF):
                self.send_header("Content-Length", str(len(body) + 1))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with listening(server) as url:
        store = FakeStore(url)
        yield store
