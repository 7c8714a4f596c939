"""/metrics on its own port, and the wait that lets a dying process be scraped once more."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from prometheus_client import (
    REGISTRY,
    Metric,
    disable_created_metrics,
    make_wsgi_app,
    start_http_server,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from server.settings import PREFIX, Settings, cannot_listen

LAST_SCRAPE_SECONDS = 7.0
"""How long the end, and the start, wait for a scrape: one interval of 5 s and some."""
_HIDDEN = "python_gc_"
_MOST_READERS = 64
_WRITERS = ("escape_label_name", "_escape", "_is_valid_legacy_metric_name")
"""What prometheus_client 0.26 calls for each sample, most often with what it was given before.

Not floatToGoString: 0.0 and -0.0 are equal and not the same text.
"""
_REMEMBERED = 8192
_TURNS = 3
"""Turns before the newest that tell an interval: two scrapers behind one address take turns."""

_NO_VERSION = re.compile(r";\s*version=(?!\d+(?:\.\d+)*\s*(?:;|$))[^;,]*")
_ESCAPING = re.compile(r";\s*escaping=[^;,]*")
_UNVERSIONED = re.compile(r"(\s*application/openmetrics-text)(?!.*;\s*version=)")

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Shown(Collector):
    """What of the registry is shown: not the garbage collector's series, which nothing reads."""

    def collect(self) -> Iterator[Metric]:
        """The families that are shown."""
        return (family for family in REGISTRY.collect() if not family.name.startswith(_HIDDEN))

    def restricted_registry(self, names: Iterable[str]) -> Collector:
        """Those that a caller names, `name[]=`: whatever it names."""
        return REGISTRY.restricted_registry(names)


def remember_texts() -> None:
    """Have the library keep the texts that it makes of names and label values.

    A page is most of all the same texts again: it takes a third less CPU time, and the lock that
    the event loop needs.
    """
    for name in _WRITERS:
        write = getattr(openmetrics, name)
        if not hasattr(write, "cache_info"):
            setattr(openmetrics, name, lru_cache(_REMEMBERED)(write))


def without_renaming(accept: str) -> str:
    """The Accept header of a scraper, as the library takes it to leave every name as it is.

    For a scraper that does not say `escaping=allow-utf-8` (Prometheus 2, and 3 with the legacy
    scheme) prometheus_client 0.26 calls vllm:prompt_tokens_total vllm_prompt_tokens_total, where a
    colon needs no escape in any scheme; and it looks at each letter of each name for it. Where no
    version of OpenMetrics is asked for it escapes in any case, and answers in 1.0.0; it fails on a
    version that is none.
    """
    plain = (_NO_VERSION.sub("", _ESCAPING.sub("", term)) for term in accept.split(","))
    terms = (_UNVERSIONED.sub(r"\1;version=1.0.0", term) for term in plain)
    return ",".join(f"{term};escaping=allow-utf-8" for term in terms)


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


class Readers:
    """Who reads /metrics, by address and program: whoever comes again and again is a scraper.

    A person who looks once is none, and neither is one that has missed two of its turns.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turns: dict[str, tuple[float, ...]] = {}

    def note(self, who: str, began: float) -> None:
        """The reader has all of what it asked for at `began` (monotonic seconds)."""
        with self._changed:
            self._turns[who] = (*self._turns.pop(who, ())[-_TURNS:], began)
            while len(self._turns) > _MOST_READERS:
                del self._turns[next(iter(self._turns))]
            self._changed.notify_all()

    def scrapers(self, now: float) -> list[str]:
        """Those that are expected again."""
        with self._changed:
            return [who for who, turn in self._turns.items() if _is_due(turn, now)]

    def wait(self, who: Iterable[str], since: float, patience: float) -> bool:
        """Wait until each has read what was there at `since`; False when patience ran out."""
        names = tuple(who)
        with self._changed:
            return self._changed.wait_for(
                lambda: all(self._turns.get(name, (0.0,))[-1] >= since for name in names),
                patience,
            )


def _is_due(turns: tuple[float, ...], now: float) -> bool:
    gaps = [after - before for before, after in pairwise(turns)]
    return bool(gaps) and now - turns[-1] <= 3 * max(gaps)


class Exposition:
    """Serves OpenMetrics of this process, vLLM's series included, and knows who scrapes it."""

    def __init__(self, settings: Settings) -> None:
        # A *_created series beside each counter would be a fifth of the page, and nothing reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        remember_texts()
        self.readers = Readers()
        self._first: list[Callable[[], None]] = []
        # Level 9 of gzip costs more than sending the text over loopback.
        self._app: Wsgi = make_wsgi_app(Shown(), disable_compression=True)
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._server, _ = start_http_server(port, host, Shown())
        except OSError as error:
            keys = (f"{PREFIX}METRICS_HOST", f"{PREFIX}METRICS_PORT")
            raise cannot_listen("environment", keys, host, port, error) from error
        self._server.set_app(self._serve)

    def before_each(self, first: Callable[[], None]) -> None:
        """Have this called before each page is made, in the thread that makes it."""
        self._first.append(first)

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        for first in self._first:
            first()
        began = time.monotonic()
        accept = without_renaming(environ.get("HTTP_ACCEPT", ""))
        chunks = list(self._app({**environ, "HTTP_ACCEPT": accept}, start))
        who = f"{environ.get('REMOTE_ADDR')} {environ.get('HTTP_USER_AGENT')}"[:200]
        return _Body(chunks, lambda: self.readers.note(who, began))

    def wait_for_scrapers(self, since: float, patience: float = LAST_SCRAPE_SECONDS) -> bool:
        """Wait until every scraper has read since the time (monotonic seconds).

        What a process counted after its last scrape would die with it. Where nobody scrapes there
        is nobody to wait for. Gives up after `patience` seconds and returns False.
        """
        return self.readers.wait(self.readers.scrapers(time.monotonic()), since, patience)
