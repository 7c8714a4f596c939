"""Sends requests to the running server and keeps what only the client can know of them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

API = "http://127.0.0.1:8000"
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
Found = TypeVar("Found")


def poll(what: str, look: Callable[[], Found | None], seconds: float = 45.0) -> Found:
    """Call `look` until it finds something; fail naming `what` after `seconds`."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"not found within {seconds:g} s: {what}"
        time.sleep(0.25)
    return found


@dataclass
class Exchange:
    """One request as its client saw it: wall-clock start, seconds, what came back."""

    status: int = 0
    trace_id: str = ""
    started: float = 0.0
    seconds: float = 0.0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    text: str = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a stream, without the closing [DONE]."""
        lines = [line[6:] for line in self.text.splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def usage(self) -> dict[str, int]:
        """The usage that the server reported, of a stream in its last event."""
        stream = self.text.startswith("data: ")
        return (self.events[-1] if stream else json.loads(self.text))["usage"]


class Client:
    """An API client on one kept connection, so that connecting is in no measurement."""

    def __init__(self) -> None:
        self._http = httpx.Client(base_url=API, timeout=120, trust_env=False)
        self.model: str = self._http.get("/v1/models").raise_for_status().json()["data"][0]["id"]

    def chat(self, prompt: str, **fields: Any) -> Exchange:
        """Send one chat message."""
        return self.post(CHAT, {"messages": [{"role": "user", "content": prompt}], **fields})

    def complete(self, prompt: str | list[str], **fields: Any) -> Exchange:
        """Send one completion, or a batch of prompts."""
        return self.post(COMPLETIONS, {"prompt": prompt, **fields})

    def post(self, path: str, body: dict[str, Any], **options: Any) -> Exchange:
        """Post JSON; max_tokens is 16 and streams report their usage unless `body` says else."""
        defaults: dict[str, Any] = {"model": self.model, "max_tokens": 16}
        if body.get("stream"):
            defaults["stream_options"] = {"include_usage": True}
        return self.send("POST", path, json={**defaults, **body}, **options)

    def send(self, method: str, path: str, **options: Any) -> Exchange:
        """Send any request and read the whole answer."""
        done = Exchange(started=time.time())
        clock = time.perf_counter()
        response = self._http.request(method, path, **options)
        done.seconds = time.perf_counter() - clock
        done.status, done.headers, done.text = response.status_code, response.headers, response.text
        done.trace_id = response.headers.get("x-trace-id", "")
        return done

    def abort_stream(self, path: str, body: dict[str, Any], events: int) -> Exchange:
        """Read `events` events of a stream, then close the connection."""
        done = Exchange(started=time.time())
        with httpx.Client(base_url=API, timeout=60, trust_env=False) as http:
            body = {"model": self.model, "stream": True, **body}
            with http.stream("POST", path, json=body) as response:
                done.status, done.trace_id = response.status_code, response.headers["x-trace-id"]
                chunks = (line for line in response.iter_lines() if line.startswith("data: "))
                done.text = "\n".join(next(chunks) for _ in range(events))
        return done

    def abort_plain(
        self,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str],
        is_answering: Callable[[], bool],
    ) -> Exchange:
        """Close the connection of a request for one whole answer once it is being answered."""
        done = Exchange(started=time.time())
        url = urlsplit(API)
        connection = HTTPConnection(str(url.hostname), url.port, timeout=60)
        text = json.dumps({"model": self.model, **body})
        connection.request("POST", path, text, {"content-type": "application/json", **headers})
        poll("a request that is being answered", is_answering)
        connection.close()
        return done
