"""Targets of the drill's own on loopback ports: what they expose, how late, and when not at all."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Value = Callable[[float], float]
"""A value by the seconds since the page began."""


@dataclass(frozen=True)
class Series:
    """One series: `name{labels}` without job and instance, and its value."""

    name: str
    value: Value


def steady(value: float) -> Value:
    """Always the same."""
    return lambda _: value


def rising(per_second: float, start: float = 0.0, until: float = 1e9) -> Value:
    """A counter that grows by so much a second, and stands still after `until` seconds."""
    return lambda seconds: start + per_second * min(seconds, until)


def jumping(after: float, to: float, before: float = 0.0) -> Value:
    """One value up to a moment, another from then on."""
    return lambda seconds: to if seconds >= after else before


def exposition(series: tuple[Series, ...], seconds: float) -> str:
    """The page of these series, in Prometheus's text format."""
    return "".join(f"{one.name} {one.value(seconds)!r}\n" for one in series)


@dataclass(frozen=True)
class Page:
    """A target: its text by the seconds since it began, how long it waits, when it answers 503."""

    text: Callable[[float], str]
    delay: float = 0.0
    is_down: Callable[[int], bool] = lambda _: False
    """Asked with the number of the scrape, from 0."""


def recorded(*series: Series) -> Page:
    """A target that exposes these series."""
    return Page(lambda seconds: exposition(series, seconds))


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    began, scrapes, lock = time.monotonic(), [0], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            with lock:
                number, scrapes[0] = scrapes[0], scrapes[0] + 1
            time.sleep(page.delay)
            body = page.text(time.monotonic() - began).encode()
            self.send_response(503 if page.is_down(number) else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(page: Page) -> Iterator[str]:
    """Serve the page for the block; yields its address, `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(page))
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
