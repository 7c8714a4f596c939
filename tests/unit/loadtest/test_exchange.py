"""What the client of a load test sees of one answer, however it ends."""

import json
import threading
import time
from dataclasses import replace

import pytest
from geventhttpclient.client import HTTPClient

from loadtest.generator.exchange import HUNG_UP, NOT_WHOLE, TIMED_OUT, Seen, send
from loadtest.generator.people import CHAT, Ask
from loadtest.rows import IN_STREAM
from server.gateway.stream_errors import EVENT
from tests.unit.scripted import END, Say, chunk, event, head, pause, scripted, wait

STREAM = Ask(CHAT, b"{}", stream=True)
PLAIN = Ask(CHAT, b"{}")
ROLE = event('{"choices":[{"delta":{"role":"assistant","content":""}}]}')
TOKEN = event('{"choices":[{"delta":{"content":"a"}}]}')
USAGE = event('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}')
DONE = chunk("data: [DONE]\n\n")
WHOLE = (head(), ROLE, TOKEN, TOKEN, USAGE, DONE, END)


def seen(ask: Ask, *says: Say, patience: float = 30.0) -> Seen:
    with scripted(*says) as (url, _):
        client = HTTPClient.from_url(url)
        found = send(client, ask, {"content-type": "application/json"}, patience)
        client.close()
    return found


def test_a_whole_stream_has_its_tokens_and_its_usage() -> None:
    found = seen(STREAM, *WHOLE)
    assert (found.outcome, found.ended_as, found.status) == ("ok", "200", 200)
    assert found.usage == {"prompt_tokens": 3, "completion_tokens": 2}
    assert len(found.gaps) == 1
    assert found.acked_ns is not None and found.first_token_ns is not None
    assert found.started_ns < found.acked_ns <= found.first_token_ns < found.ended_ns


def test_a_token_is_stamped_when_it_comes_and_a_role_is_none() -> None:
    told: list[int] = []

    def note(_: object) -> None:
        told.append(time.monotonic_ns())

    found = seen(STREAM, head(), ROLE, pause(0.1), note, TOKEN, pause(0.1), note, TOKEN, USAGE, DONE, END)  # fmt: skip # noqa: E501
    first, second = told
    assert found.first_token_ns is not None and found.last_token_ns is not None
    assert first <= found.first_token_ns < second <= found.last_token_ns
    assert found.gaps == [(found.last_token_ns - found.first_token_ns) / 1e9]


@pytest.mark.parametrize(
    "text",
    [
        '{"choices":[{"text":"a"}]}',
        '{"choices":[{"delta":{"reasoning":"a"}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}',
    ],
)
def test_whatever_is_said_is_a_token(text: str) -> None:
    assert seen(STREAM, head(), event(text), USAGE, DONE, END).first_token_ns is not None


@pytest.mark.parametrize(("code", "outcome"), [(500, "server_error"), (400, "client_error")])
def test_an_error_inside_a_stream_is_no_success(code: int, outcome: str) -> None:
    wrong = event(json.dumps({"error": {"message": "x", "code": code}}))
    found = seen(STREAM, head(), ROLE, TOKEN, wrong, DONE, END)
    assert (found.outcome, found.ended_as, found.status) == (outcome, IN_STREAM, 200)
    assert EVENT == b'data: {"error"', "the server looks for another event"


@pytest.mark.parametrize(
    ("says", "outcome", "ended_as"),
    [
        ((head(), ROLE, TOKEN), "cut_off", "HTTPParseError"),
        ((head(), ROLE, TOKEN, USAGE, END), "cut_off", NOT_WHOLE),
        ((head(), ROLE, TOKEN, DONE, END), "cut_off", NOT_WHOLE),
        ((), "unreachable", "HTTPConnectionClosed"),
        ((head(500, "application/json"), chunk("{}"), END), "server_error", "500"),
        ((head(504, "application/json"), chunk("{}"), END), "timeout", "504"),
        ((head(429, "application/json"), chunk("{}"), END), "client_error", "429"),
    ],
)
def test_what_is_not_whole_is_no_success(
    says: tuple[Say, ...], outcome: str, ended_as: str
) -> None:
    found = seen(STREAM, *says)
    assert (found.outcome, found.ended_as) == (outcome, ended_as)


def test_a_plain_answer_has_its_usage_and_no_token() -> None:
    body = '{"usage":{"prompt_tokens":3,"completion_tokens":2}}'
    found = seen(PLAIN, head(200, "application/json"), chunk(body), END)
    assert (found.outcome, found.usage["completion_tokens"]) == ("ok", 2)
    assert found.first_token_ns is None


def test_a_plain_answer_that_is_no_json_is_not_whole() -> None:
    found = seen(PLAIN, head(200, "application/json"), chunk("<html>"), END)
    assert (found.outcome, found.ended_as) == ("cut_off", NOT_WHOLE)


def test_who_hangs_up_after_some_chunks_reads_no_more() -> None:
    free = threading.Event()
    found = seen(replace(STREAM, chunks=2), head(), ROLE, TOKEN, TOKEN, lambda _: free.set())
    assert (found.outcome, found.ended_as, len(found.gaps)) == ("aborted", HUNG_UP, 1)
    assert found.status == 200


def test_who_hangs_up_before_an_answer_has_no_status() -> None:
    gone = threading.Event()
    with scripted(wait(gone)) as (url, _):
        found = send(HTTPClient.from_url(url), replace(PLAIN, seconds=0.05), {}, 30.0)
        gone.set()
    assert (found.outcome, found.ended_as, found.status) == ("aborted", HUNG_UP, None)


def test_patience_ends() -> None:
    gone = threading.Event()
    with scripted(head(), ROLE, wait(gone)) as (url, _):
        found = send(HTTPClient.from_url(url), STREAM, {}, 0.2)
        gone.set()
    assert (found.outcome, found.ended_as) == ("timeout", TIMED_OUT)


def test_where_nobody_listens_nothing_was_reached() -> None:
    with scripted(head(), times=0) as (url, _):
        pass
    found = send(HTTPClient.from_url(url), STREAM, {}, 5.0)
    assert (found.outcome, found.status) == ("unreachable", None)
    assert found.ended_as == "ConnectionRefusedError"
