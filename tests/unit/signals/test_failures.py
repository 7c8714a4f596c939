"""A failure inside leaves its class and its places on record, span and log, never its text."""

import json
from functools import wraps
from typing import Any

import pytest
from vllm.exceptions import GenerationError, QueueOverflowError
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from server.engine_client import seams
from server.signals import failures
from server.signals.failures import MAX_PLACES, Failure
from tests.unit import seamed
from tests.unit import served as vllm
from tests.unit.asgi import CHAT, Install, end
from tests.unit.logged import Lines, lines_of
from tests.unit.served import Served

SECRET = "text of a prompt"


def body(**fields: Any) -> bytes:
    chat = {"model": "tiny-llama", "messages": [{"role": "user", "content": SECRET}]}
    return json.dumps({**chat, **fields}).encode()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Served:
    """vLLM as the launcher has prepared it."""
    seamed.prepared(monkeypatch)
    return vllm.served(monkeypatch)


def told(lines: Lines) -> list[dict[str, Any]]:
    """What was said of failures."""
    every = [json.loads(line) for line in lines.text.splitlines()]
    return [line for line in every if line["event"] == "request_failed"]


def in_engine(app: Served, error: Exception) -> None:
    app.core.fails = error


def at_add_request(app: Served, error: Exception) -> None:
    app.core.refuses = error


def in_route(app: Served, error: Exception) -> None:
    app.serving.raises = error


def in_stream(app: Served, error: Exception) -> None:
    app.serving.breaks = error


CASES = [
    (in_engine, KeyError(SECRET), False, "exception", "served.py", "get"),
    (in_engine, KeyError(SECRET), True, "exception", "served.py", "get"),
    (at_add_request, AssertionError(SECRET), False, "exception", "served.py", "_add_request"),
    (at_add_request, EngineDeadError(), False, "engine_dead", "served.py", "_add_request"),
    # vLLM's handlers answer these, others pass through to our middleware.
    (in_route, NotImplementedError(SECRET), False, "exception", "served.py", "_generate"),
    (in_route, GenerationError(SECRET), False, "exception", "served.py", "_generate"),
    (in_route, ZeroDivisionError(SECRET), False, "exception", "served.py", "_generate"),
    (in_stream, KeyError(SECRET), True, "exception", "served.py", "_stream"),
    (in_stream, GenerationError(SECRET), True, "exception", "served.py", "_stream"),
]


@pytest.mark.parametrize(
    ("fails", "error", "streams", "reason", "file", "function"),
    CASES,
    ids=[
        f"{fails.__name__} {type(error).__name__} {streams}" for fails, error, streams, *_ in CASES
    ],
)
async def test_class_and_place_are_known_wherever_it_failed(
    app: Served, install: Install, caplog: pytest.LogCaptureFixture,
    fails: Any, error: Exception, streams: bool, reason: str, file: str, function: str,
) -> None:  # fmt: skip
    records = install()
    fails(app, error)
    with lines_of("server.requests") as lines:
        answer = await app.post(CHAT, body(stream=streams))
    (record,) = records
    assert answer.status_code == (200 if streams else record.status_code)
    assert end(record)[:2] == ("server_error", reason)
    assert record.error_type == type(error).__name__
    (said,) = told(lines)
    assert said["level"] == "error"
    assert (said["trace_id"], said["error_type"]) == (record.trace_id, type(error).__name__)
    path, line, name = said["places"][-1].split(":")
    assert path.endswith(file) and line.isdigit() and name == function
    assert SECRET not in lines.text


async def test_what_the_client_did_wrong_is_no_failure(app: Served, install: Install) -> None:
    records = install()
    in_route(app, ValueError(SECRET))
    with lines_of("server.requests") as lines:
        await app.post(CHAT, body())
    assert end(records[0]) == ("client_error", "bad_request", 400)
    assert (records[0].error_type, told(lines)) == ("bad_request", [])


async def test_too_much_at_once_is_not_told_line_by_line(app: Served, install: Install) -> None:
    records = install()
    at_add_request(app, QueueOverflowError())
    with lines_of("server.requests") as lines:
        await app.post(CHAT, body())
    assert end(records[0])[:2] == ("server_error", "overloaded")
    assert (records[0].error_type, told(lines)) == ("QueueOverflowError", [])


def _deep(depth: int) -> None:
    if depth:
        _deep(depth - 1)
    raise KeyError(SECRET)


def test_the_last_places_are_kept_and_paths_are_short() -> None:
    try:
        _deep(20)
    except KeyError as error:
        found = failures.read(error)
    assert len(found.places) == MAX_PLACES
    assert all(place.startswith("tests/unit/signals/test_failures.py:") for place in found.places)
    assert SECRET not in repr(found)


def test_what_only_wraps_a_failure_is_looked_through() -> None:
    wrapped = EngineGenerateError()
    wrapped.__cause__ = KeyError(SECRET)
    assert failures.read(wrapped) == Failure("KeyError", ())
    assert failures.read(EngineGenerateError()) == Failure("EngineGenerateError", ())


@pytest.mark.parametrize("name", [SECRET, "X" * 65, ""])
def test_a_class_that_is_named_by_a_text_has_no_name(name: str) -> None:
    error = type(name, (Exception,), {})(SECRET)
    assert failures.read(error).error_type == "exception"


def test_code_made_at_run_time_has_no_function_names() -> None:
    text = "def of_a_caller():\n    raise KeyError\nof_a_caller()"
    try:
        exec(compile(text, "<template>", "exec"), {})  # noqa: S102
    except KeyError as error:
        places = failures.read(error).places
    assert places[-2:] == ("<made at run time>:3", "<made at run time>:2")


def test_the_seams_are_changed_once(app: Served) -> None:
    before = [getattr(owner, name) for owner, name in seamed.SEAMS]
    seams.install()
    assert [getattr(owner, name) for owner, name in seamed.SEAMS] == before


def test_what_others_have_wrapped_is_changed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in seamed.SEAMS:
        theirs = wraps(getattr(owner, name))(lambda *_: None)
        monkeypatch.setattr(owner, name, theirs)
    theirs_all = [getattr(owner, name) for owner, name in seamed.SEAMS]
    seams.install()
    ours = [getattr(owner, name) for owner, name in seamed.SEAMS]
    assert all(a is not b for a, b in zip(theirs_all, ours, strict=True))
