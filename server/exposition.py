"""/metrics on its own port, and the wait that lets a dying process be scraped once more."""

import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from server.settings import Settings, SettingsError

LAST_SCRAPE_SECONDS = 7.0
"""How long the end waits for a scrape: one interval of 5 s and some."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every 5 s is no news."""


class Exposition:
    """Serves OpenMetrics of this process, vLLM's series included, and knows the last scrape."""

    def __init__(self, settings: Settings) -> None:
        self._scraped = threading.Condition()
        self._last = 0.0
        self._app: Wsgi = make_wsgi_app()
        try:
            self._server = make_server(
                settings.metrics_host,
                settings.metrics_port,
                self._serve,
                server_class=_Server,
                handler_class=_Quiet,
            )
        except OSError as error:
            fix = f"{settings.metrics_port} cannot be used ({error.strerror}); free or change it"
            raise SettingsError("environment", "LLM_SERVER_METRICS_PORT", fix) from error
        threading.Thread(target=self._server.serve_forever, daemon=True, name="metrics").start()

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()
        body = self._app(environ, start)
        with self._scraped:
            self._last = max(self._last, began)
            self._scraped.notify_all()
        return body

    def wait_for_scrape(self, since: float) -> bool:
        """Wait for a scrape that began at or after `since` (monotonic seconds).

        What a process counted after its last scrape would die with it. Gives up after
        LAST_SCRAPE_SECONDS and returns False.
        """
        with self._scraped:
            return self._scraped.wait_for(lambda: self._last >= since, LAST_SCRAPE_SECONDS)
