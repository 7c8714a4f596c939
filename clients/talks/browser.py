"""A page in headless Chromium: fetch from another origin than the server's, so with CORS."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clients import script
from clients.conversation import Conversation, Place
from clients.said import ANSWERED, LEFT, NO_KEY, STOPPED, TOO_LONG, Said, Usage, Want
from stack.errors import Fault

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PORT = 8099
ORIGIN, STRANGER = f"http://127.0.0.1:{PORT}", f"http://localhost:{PORT}"
"""One page by two names, which are two origins: the server knows the first."""
HERE = Path(__file__).parent
PATIENCE_SECONDS = 90.0
WANTED: dict[str, tuple[Want, ...]] = {
    "plain": (ANSWERED,),
    "stream": (ANSWERED,),
    "tools": (ANSWERED, ANSWERED),
    "structured": (ANSWERED,),
    "abort": (LEFT,),
    "wrong-key": (NO_KEY,),
    "too-long": (TOO_LONG,),
    "own-id": (ANSWERED,),
    "stranger": (STOPPED,),
}
_FLAGS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--disable-sync", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
"""It talks to nobody but loopback."""


def program() -> str:
    """The browser on PATH, empty where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


def place_json(talks: Sequence[Conversation]) -> dict[str, Any]:
    """What the page is given: where to talk, what to say, and an object for each request."""
    place = talks[0].place
    requests: dict[str, Any] = {
        talk.feature: [
            {"caller_id": said.caller_id, "status": 0, "headers": {}, "usage": None, "fault": ""}
            for said in talk.said
        ]
        for talk in talks
    }
    return {
        "api": place.api, "key": place.key, "wrong_key": place.wrong_key, "model": place.model,
        "question": script.QUESTION, "story": script.STORY, "too_long": place.too_long,
        "tokens": script.TOKENS, "long": script.LONG_TOKENS, "many": script.MANY_TOKENS,
        "seen": script.SEEN, "tool": script.FUNCTION, "result": script.RESULT,
        "schema": script.Trip.model_json_schema(), "requests": requests,
    }  # fmt: skip


def take(said: Said, told: dict[str, Any]) -> None:
    """Put what the page says of one request where the other clients put theirs."""
    said.answered(told["headers"], told["status"])
    said.usage = Usage(**told["usage"]) if told["usage"] else None
    said.check(not told["fault"], told["fault"])


class _Site(ThreadingHTTPServer):
    """The page, its place.json and what it told; nobody guesses its path: a key is there."""

    def __init__(self, page: bytes) -> None:
        try:
            super().__init__(("127.0.0.1", PORT), _Handler)
        except OSError as error:
            raise Fault(
                f"port {PORT} is taken, and the page's origin is on it", "free it"
            ) from error
        self.path = f"/{secrets.token_urlsafe(16)}/"
        self.page, self.place = page, b""
        self.told: dict[str, Any] | None = None
        self.heard = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        """The page or its place.json."""
        site = self.server
        found = {site.path: site.page, f"{site.path}place.json": site.place}.get(self.path)
        self.send_response(404 if found is None else 200)
        self.send_header("content-type", "text/html" if self.path == site.path else "text/plain")
        self.end_headers()
        self.wfile.write(found or b"")

    def do_POST(self) -> None:
        """What the page has to tell."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204 if self.path == f"{self.server.path}told" else 404)
        self.end_headers()
        if self.path == f"{self.server.path}told":
            self.server.told = json.loads(body)
            self.server.heard.set()

    def log_message(self, *_: object) -> None:
        """Nothing: its path is a secret."""


@contextmanager
def _site() -> Iterator[_Site]:
    site = _Site((HERE / "page.html").read_bytes())
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


def _open(site: _Site, origin: str) -> dict[str, Any]:
    """Open the page and wait for what it tells; raises Fault."""
    site.heard.clear()
    with tempfile.TemporaryDirectory(prefix="clients-", ignore_cleanup_errors=True) as profile:
        flags = [*_FLAGS, f"--user-data-dir={profile}"]
        # Chromium's sandbox refuses root, and what it opens here is ours alone.
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        nothing = subprocess.DEVNULL
        command = [program(), *flags, f"{origin}{site.path}"]
        process = subprocess.Popen(command, stdout=nothing, stderr=nothing)
        try:
            heard = site.heard.wait(PATIENCE_SECONDS)
        finally:
            process.terminate()
            process.wait(30)
    if not heard or site.told is None:
        raise Fault(f"the page told nothing within {PATIENCE_SECONDS:.0f} s", "is Chromium whole?")
    return site.told


def converse(place: Place, features: Sequence[str]) -> list[Conversation]:
    """Every feature by one page, the stranger's by the same page of another origin."""
    talks = [Conversation(place, "browser", feature) for feature in features if feature in WANTED]
    for talk in talks:
        for want in WANTED[talk.feature]:
            talk.request(want)
    with _site() as site:
        for origin in (ORIGIN, STRANGER):
            own = [talk for talk in talks if (talk.feature == "stranger") is (origin == STRANGER)]
            if own:
                site.place = json.dumps(place_json(own)).encode()
                _hear(own, _open(site, origin))
    return talks


def _hear(talks: Sequence[Conversation], told: dict[str, Any]) -> None:
    for talk in talks:
        for said, words in zip(talk.said, told[talk.feature], strict=True):
            take(said, words)
