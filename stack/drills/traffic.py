"""Requests of a drill, from as many callers as it names, until its block ends."""

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from stack.request.chat import HOST, PORT

PATH = "/v1/completions"
_PATIENCE_SECONDS = 300.0
_FIRST_TOKEN, _LAST_TOKEN = 100, 4000


@dataclass(frozen=True)
class Asked:
    """What each request asks: tokens in (none of them cached) and out; when its caller leaves."""

    tokens_in: int = 8
    tokens_out: int = 8
    leaves_after: float = 0.0
    """Seconds after which the caller hangs up, 0 for one that waits for the answer."""

    def body(self, model: str) -> bytes:
        """A request that the engine cannot end early."""
        letters = random.choices(range(_FIRST_TOKEN, _LAST_TOKEN), k=self.tokens_in)  # noqa: S311, no secret
        body: dict[str, Any] = {"model": model, "prompt": letters, "max_tokens": self.tokens_out}
        return json.dumps({**body, "ignore_eos": True}).encode()


@dataclass
class Traffic:
    """Callers at work; `ended` counts answers by status, 0 for none."""

    model: str
    asked: Asked
    pause: float
    key: str
    ended: Counter[int] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _open: set[http.client.HTTPConnection] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _once(self) -> int:
        patience = self.asked.leaves_after or _PATIENCE_SECONDS
        connection = http.client.HTTPConnection(HOST, PORT, timeout=patience)
        with self._lock:
            self._open.add(connection)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            body = self.asked.body(self.model)
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _work(self, after: float) -> None:
        self._over.wait(after)
        while not self._over.is_set():
            status = self._once()
            with self._lock:
                self.ended[status] += 1
            self._over.wait(self.pause)

    def _hang_up(self) -> None:
        self._over.set()
        with self._lock:
            still = list(self._open)
        for connection in still:
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def running(self, callers: int, each_after: float = 0.0) -> Iterator["Traffic"]:
        """So many callers for the block, one every so many seconds; at its end they hang up."""
        starts = [number * each_after for number in range(callers)]
        threads = [threading.Thread(target=self._work, args=(at,), daemon=True) for at in starts]
        try:
            for thread in threads:
                thread.start()
            yield self
        finally:
            until = time.monotonic() + 10
            while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
                self._hang_up()
                time.sleep(0.1)
