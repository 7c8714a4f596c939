"""What a server can be asked is found out before any client talks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clients import abilities
from clients.conversation import Place
from clients.talks import browser
from stack.errors import Fault
from tests.unit.listening import listening

MODELS = {"data": [{"id": "tiny-llama", "max_model_len": 2048}]}


@dataclass
class Ways:
    """How the server behaves."""

    key: str = ""
    origin: str = ""
    models: Any = None
    tools: str = '{"choices": []}'
    reason: str = "stop"


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def _answer(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        ways = self.server.ways
        if self.path == "/version":
            self._answer(200, '{"version": "0.32.0"}')
        elif ways.key and self.headers.get("authorization") != f"Bearer {ways.key}":
            self._answer(401, "{}")
        else:
            self._answer(200, json.dumps(ways.models or MODELS))

    def do_OPTIONS(self) -> None:
        self._answer(200, "OK", access_control_allow_origin=self.server.ways.origin)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "tools" in body:
            self._answer(400, self.server.ways.tools)
        else:
            self._answer(200, json.dumps({"choices": [{"finish_reason": self.server.ways.reason}]}))

    def log_message(self, *args: object) -> None:
        return None


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ways = Ways()


@pytest.fixture
def server() -> Iterator[tuple[str, Ways]]:
    with listening(made := _Server()) as url:
        yield url, made.ways


def _place(url: str) -> Place:
    return abilities.find(url, "good", "clients-1")[0]


def test_without_keys_any_is_good(server: tuple[str, Ways]) -> None:
    place, has_keys = abilities.find(server[0], "", "clients-1")
    assert (place.model, place.longest, has_keys) == ("tiny-llama", 2048, False)
    assert place.shown_key == "none"


def test_with_keys_one_is_needed_and_it_has_to_be_known(server: tuple[str, Ways]) -> None:
    url, ways = server
    ways.key = "good"
    assert abilities.find(url, "good", "clients-1")[1]
    with pytest.raises(Fault, match=r"API_KEY=<a key> make clients"):
        abilities.find(url, "", "clients-1")
    with pytest.raises(Fault, match="refuses API_KEY with 401"):
        abilities.find(url, "bad", "clients-1")


def test_what_has_no_models_is_not_ours(server: tuple[str, Ways]) -> None:
    server[1].models = {"data": []}
    with pytest.raises(Fault, match="is no list of models"):
        abilities.find(server[0], "", "clients-1")


def test_a_server_with_everything_lacks_nothing(server: tuple[str, Ways]) -> None:
    server[1].origin = browser.ORIGIN
    assert abilities.lacks(_place(server[0]), has_keys=True) == {}
    assert abilities.engine(_place(server[0])) == "0.32.0"


def test_each_lack_is_named(server: tuple[str, Ways]) -> None:
    url, ways = server
    ways.tools = '{"error": {"message": "tool_choice requires --tool-call-parser to be set"}}'
    ways.origin, ways.reason = "https://app.example", "length"
    assert abilities.lacks(_place(url), has_keys=False) == {
        "wrong-key": abilities.NO_KEYS,
        "browser": abilities.NO_PAGE,
        "tools": abilities.NO_TOOLS,
        "structured": abilities.NO_END,
    }


def test_a_model_that_ends_no_call_calls_none(server: tuple[str, Ways]) -> None:
    server[1].tools = '{"choices": [{"finish_reason": "length"}]}'
    assert abilities.lacks(_place(server[0]), has_keys=True)["tools"] == abilities.NO_CALL


def test_who_does_not_answer_is_named_with_the_way_to_start_it() -> None:
    with pytest.raises(Fault, match=r"does not answer .*docs/clients.md"):
        abilities.find("http://127.0.0.1:1", "", "clients-1")
