"""`make replay`: where its records come from, and what is wrong said before anything is sent."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from loadtest import plan as plans
from loadtest.replay import command, served, sources
from loadtest.target import SettingsError
from server.record.request import Outcome
from server.signals import logs
from stack.errors import Fault
from stack.stores.protocol import LogStore
from tests.unit.helpers import STARTED_NS, record
from tests.unit.listening import listening
from tests.unit.logged import lines_of
from tests.unit.reconciling import Logs, Story
from tests.unit.replaying import BEGAN, store, told

BLOCK = 'vllm:cache_config_info{block_size="16",enable_prefix_caching="True",engine="0"} 1.0\n'
Answer = Callable[[str, str, dict[str, Any]], int]


@contextmanager
def server(status: Answer = lambda *_: 200, page: str = BLOCK) -> Iterator[dict[str, str]]:
    """A server of tiny-llama; `status` gets path, key and body of each question."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            key = (self.headers["authorization"] or "").removeprefix("Bearer ")
            self.send_response(status(self.path, key, body))
            self.end_headers()
            models = {"data": [{"id": "tiny-llama", "max_model_len": 2048}]}
            self.wfile.write((page if self.path == "/metrics" else json.dumps(models)).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class's
            """Say nothing."""

    with listening(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield {"URL": url, "METRICS_URL": f"{url}/metrics", "SINCE": "2000-01-01"}


def lived() -> Story:
    story = Story()
    story.send(tenant="acme")
    story.send(outcome=Outcome.CLIENT_ERROR, status_code=400)
    story.send(stream=False)
    return story


def test_a_window_of_the_store_becomes_a_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "load" / "r"
    with server() as env:
        assert command.plan(env, folder, store(lived()), "5") == 0
    made = plans.read(folder / "plan.jsonl")
    assert [each.stream for each in made.requests] == [True, False]
    assert (made.seed, made.block, made.left_out) == (5, 16, {"it was refused": 1})
    said = capsys.readouterr().out
    assert "3 requests, of which 2 are repeated" in said
    assert "not repeated: 1: it was refused" in said and "SEED=5" in said


def test_what_began_outside_of_the_window_is_not_in_it() -> None:
    logs_of = Logs()
    logs_of.records = [told(record(started_ns=round((BEGAN + at) * 1e9))) for at in (-1, 0, 5, 10)]
    found = sources.of_store(cast("LogStore", logs_of), BEGAN, BEGAN + 10, BEGAN + 100)
    assert [each.started - BEGAN for each in found] == pytest.approx([0, 5], abs=1e-6)


def test_a_silent_store_is_said_to_be_silent() -> None:
    silent = Logs()
    silent.silent = "VictoriaLogs: does not answer"
    with pytest.raises(Fault, match=r"does not answer: see `make logs PART=victorialogs`, or"):
        sources.of_store(cast("LogStore", silent), 0, 1, 2)


def test_a_window_of_files_is_said_as_it_can_be_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my server.log"
    with lines_of("server.requests") as lines:
        logs.request_finished(record(), None)
    file.write_text(lines.text)
    with server() as env:
        asked = env | {"FROM": str(file), "SINCE": "", "UNTIL": "2026-12-01"}
        assert command.plan(asked, tmp_path / "r", store(lived()), "3") == 0
    window = "SINCE=1970-01-01T00:00:00.000Z UNTIL=2026-12-01T00:00:00.000Z SEED=3"
    assert f"make replay FROM='{file}' {window}" in capsys.readouterr().out


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_servers_own_lines_are_records_too(tmp_path: Path, is_folder: bool) -> None:
    with lines_of("server.requests") as lines:
        logs.request_finished(record(), None)
    file = tmp_path / "server.log"
    torn = '{"event": "request_finished", "timestamp": "20'
    file.write_text(f"INFO: started, request_finished\n{lines.text}{torn}\n")
    (found,) = sources.of_files(tmp_path if is_folder else file, 0, 4e9)
    assert found.started == pytest.approx(STARTED_NS / 1e9, abs=1e-6)
    assert (found.input, found.cached, found.output, found.outcome) == (100, 40, 20, "ok")


@pytest.mark.parametrize("odd", ["0001-01-01T00:00:00", "soon", None, [1]])
def test_a_line_whose_time_is_none_is_no_record(tmp_path: Path, odd: object) -> None:
    line = json.dumps({"event": "request_finished", "timestamp": odd, "trace_id": "a"})
    (tmp_path / "server.log").write_text(line + "\n")
    assert sources.of_files(tmp_path, 0.0, 2e9) == []


def test_keys_that_are_no_text_are_said_without_them(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(b"acme secret-a\xff\n")
    keys.chmod(0o600)
    with server() as env, pytest.raises(SettingsError, match=r"^TENANTS_KEYS: .*is no text$"):
        command.plan(env | {"TENANTS_KEYS": str(keys)}, tmp_path / "r", store(lived()), "1")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"^FROM: .*gone: No such file"):
        sources.of_files(tmp_path / "gone", 0, 1)


def test_two_tenants_have_their_keys_and_the_rest_needs_one(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("acme secret-a\n")
    keys.chmod(0o600)

    def status(path: str, key: str, body: dict[str, Any]) -> int:
        return 200 if key == "secret-a" or path == "/metrics" else 401

    with server(status) as env, pytest.raises(Fault) as caught:
        command.plan(env | {"TENANTS_KEYS": str(keys)}, tmp_path / "r", store(lived()), "1")
    assert "tenants without a key of their own" in str(caught.value)
    assert "line `* key`" in str(caught.value) and "secret" not in str(caught.value)
    assert not (tmp_path / "r").exists()
    keys.write_text("acme secret-a\n* secret-a\n")
    with server(status) as env:
        assert (
            command.plan(env | {"TENANTS_KEYS": str(keys)}, tmp_path / "r", store(lived()), "1")
            == 0
        )
    assert "secret" not in (tmp_path / "r" / "plan.jsonl").read_text()


def no_text(path: str, _: str, body: dict[str, Any]) -> int:
    return 400 if max(body.get("prompt", [0])) > 500 else 200


@pytest.mark.parametrize(
    ("env", "status", "page", "said"),
    [
        ({"SINCE": ""}, None, BLOCK, "SINCE: say how long ago"),
        ({"SINCE": "soon"}, None, BLOCK, "SINCE: 'soon' is no time"),
        ({"UNTIL": "1999-01-01"}, None, BLOCK, "UNTIL: the window ends before it begins"),
        ({"SINCE": "2199-01-01"}, None, BLOCK, "SINCE: the window begins in the future"),
        ({"TOKEN_IDS": "9-1"}, None, BLOCK, "TOKEN_IDS: '9-1' is no range"),
        ({"URL": "http://example.com"}, None, BLOCK, "LOAD_ANOTHER_MACHINE=yes"),
        (
            {"TENANTS_KEYS": "/nowhere/keys"},
            None,
            BLOCK,
            "TENANTS_KEYS: /nowhere/keys: No such file",
        ),
        ({"URL": "http://127.0.0.1:9"}, None, BLOCK, "127.0.0.1:9/v1/models does not answer"),
        ({}, lambda *_: 401, BLOCK, "the file that TENANTS_KEYS names, the line `\\* key`"),
        ({}, lambda *_: 503, BLOCK, "answers 503"),
        ({}, no_text, BLOCK, "tiny-llama takes no prompt of token 3999: .*TOKEN_IDS"),
        ({}, None, "", "no vllm:cache_config_info: name it in METRICS_URL"),
        ({"SINCE": "1s"}, None, BLOCK, "no request_finished record in victorialogs"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_anything_is_sent(
    tmp_path: Path, env: dict[str, str], status: Answer | None, page: str, said: str
) -> None:
    with server(status or (lambda *_: 200), page) as good, pytest.raises(Exception, match=said):
        command.plan(good | env, tmp_path / "r", store(lived()), "1")
    assert not (tmp_path / "r").exists()


def test_a_seed_that_is_no_number_is_said_to_be_none(tmp_path: Path) -> None:
    with server() as env, pytest.raises(ValueError, match=r"^SEED: 'x' is not"):
        command.plan(env, tmp_path / "r", store(lived()), "x")


def test_keys_that_others_can_read_are_no_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("acme secret-a\n")
    keys.chmod(0o640)
    with server() as env, pytest.raises(ValueError, match="readable by others: chmod 600"):
        command.plan(env | {"TENANTS_KEYS": str(keys)}, tmp_path / "r", store(lived()), "1")


def test_a_folder_that_cannot_be_written_is_bad_input_and_not_a_replay_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(command, "plan", full)
    assert command.main(["plan", str(tmp_path)], {}) == command.BAD
    assert f"{tmp_path}: No space left" in capsys.readouterr().err


def test_what_stops_a_replay_is_not_a_replay_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise Fault("the server does not answer")

    monkeypatch.setattr(command, "plan", away)
    assert command.main(["plan", str(tmp_path)], {}) == command.BAD


@pytest.mark.parametrize(
    "text", ["<html>", "[]", "{}", '{"data":null}', '{"data":[{}]}', '{"data":["x"]}']
)
def test_an_address_that_serves_something_else_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(served, "_text", lambda *_: text)
    with pytest.raises(Fault, match=r"http://here lists no models.*name it in URL"):
        served.ask("http://here", "http://here/metrics", ())
