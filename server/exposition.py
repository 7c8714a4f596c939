"""/metrics on its own port, and the wait that lets a dying process be scraped once more."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, Metric, make_wsgi_app
from prometheus_client.registry import Collector

from server.settings import Settings, SettingsError

LAST_SCRAPE_SECONDS = 7.0
"""How long the end waits for a scrape: one interval of 5 s and some."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every 5 s is no news."""


class _WithoutHttp(Collector):
    """All but http_*, which vLLM adds inside our middleware: RED again, up to 10 s only."""

    def collect(self) -> Iterator[Metric]:
        return (family for family in REGISTRY.collect() if not family.name.startswith("http_"))

    def restricted_registry(self, names: Iterable[str]) -> Collector:
        return REGISTRY.restricted_registry(names)


class _Body:
    """A response that says when its last byte was written: before, an end would cut it off."""

    def __init__(self, chunks: list[bytes], sent: Callable[[], None]) -> None:
        self._chunks = chunks
        self._sent = sent

    def __len__(self) -> int:
        return len(self._chunks)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        self._sent()


class Exposition:
    """Serves OpenMetrics of this process, vLLM's series included, and knows the last scrape.

    `before_prometheus` runs once what Prometheus asked for is made and before it is sent.
    """

    def __init__(self, settings: Settings) -> None:
        self._scraped = threading.Condition()
        self._one = threading.Lock()
        self.before_prometheus: Callable[[], None] = lambda: None
        self._last = 0.0
        # Level 9 of gzip costs more than sending the text over loopback.
        self._app: Wsgi = make_wsgi_app(_WithoutHttp(), disable_compression=True)
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
        with self._one:
            chunks = list(self._app(environ, start))
            # A person who looks is no witness: what only they saw is not stored anywhere.
            if environ.get("HTTP_USER_AGENT", "").startswith("Prometheus/"):
                self.before_prometheus()
        return _Body(chunks, lambda: self._sent(began))

    def _sent(self, began: float) -> None:
        with self._scraped:
            self._last = max(self._last, began)
            self._scraped.notify_all()

    def wait_for_scrape(self, since: float) -> bool:
        """Wait for a scrape that began at or after `since` (monotonic seconds).

        What a process counted after its last scrape would die with it. Gives up after
        LAST_SCRAPE_SECONDS and returns False.
        """
        with self._scraped:
            return self._scraped.wait_for(lambda: self._last >= since, LAST_SCRAPE_SECONDS)
