"""Runs an HTTP server of a test for a block."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

POLL_SECONDS = 0.01
"""How soon it notices that it has to end; by itself half a second, which each test would wait."""


@contextmanager
def listening(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve for the block; yields the server's URL."""
    threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
