"""Why a part is not healthy: what it says of it itself, in one cell of a table."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stack.commands import status
from stack.http import refusal
from stack.parts.table import CORE, Part
from tests.unit.listening import listening

STALLED = json.dumps({"ready": False, "reason": "engine_stalled", "for_seconds": 4.0})


class _Part(BaseHTTPRequestHandler):
    answer: tuple[int, str] = (200, "")

    def do_GET(self) -> None:
        code, text = self.answer
        self.send_response(code)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str]) -> Iterator[str]:
    monkeypatch.setattr(_Part, "answer", answer)
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), _Part)) as found:
        yield found


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, STALLED), None),
        ((204, ""), None),
        ((503, STALLED), "engine_stalled"),
        ((503, ""), ""),
        ((503, "no JSON"), ""),
        ((503, "[1]"), ""),
        ((503, '{"reason": 3}'), ""),
        ((503, '{"reason": ""}'), ""),
        ((503, '{"reason": "  "}'), ""),
        ((503, json.dumps({"reason": "two words\nand a line"})), "two"),
        ((503, json.dumps({"reason": "x" * 4000})), "x" * 300),
        ((503, json.dumps({"reason": "\x1b[2Jgone"})), "[2Jgone"),
        ((404, "{}"), ""),
    ],
)
def test_a_refusal_is_its_reason(url: str, said: str | None) -> None:
    assert refusal(url) == said


def test_who_does_not_answer_gives_no_reason() -> None:
    assert refusal("http://127.0.0.1:9", timeout=0.5) == ""


@pytest.mark.parametrize(
    ("said", "cell"), [(None, "healthy"), ("", "NOT HEALTHY"), ("draining", "NOT HEALTHY draining")]
)
def test_a_row_ends_with_it(said: str | None, cell: str) -> None:
    row = status._row(Part("server", (), "8000/ready"), None, said)
    assert row.endswith((f"  {cell}", f"{cell}\x1b[0m"))


@pytest.mark.parametrize(("said", "good"), [(None, True), ("engine_stalled", False)])
def test_the_table_is_good_where_nobody_refuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str | None,
    good: bool,
) -> None:
    monkeypatch.setattr(status, "refusal", lambda url: said if "8000" in url else None)
    assert status._table(CORE, {}) is good
    assert ("NOT HEALTHY engine_stalled" in capsys.readouterr().out) != good


def test_the_server_is_asked_whether_it_can_serve() -> None:
    assert next(part for part in CORE if part.name == "server").probe == "8000/ready"
