"""An error that vLLM writes into a stream that began with 200 is an error everywhere."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from vllm.entrypoints.anthropic.protocol import AnthropicError, AnthropicStreamEvent
from vllm.entrypoints.anthropic.serving import wrap_data_with_event
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.exceptions import GenerationError, VLLMNotFoundError, VLLMValidationError

from server.gateway.answers import error_event
from server.gateway.routes import MESSAGES, RESPONSES
from server.gateway.stream_errors import UNKNOWN, code_in
from tests.unit import served as vllm
from tests.unit.asgi import CHAT, Install, end

BODY = json.dumps(
    {"model": "tiny-llama", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
).encode()
WHOLE = b'data: {"id":"x","choices":[{"text":"\\n\\ndata: {\\"error\\": 1}"}]}\n\n'
NAMED_WHOLE = b'event: content_block_delta\ndata: {"delta":{"text":"\\nevent: error\\n"}}\n\n'
serving: Any = GenerateBaseServing.__new__(GenerateBaseServing)


def event(error: Any) -> bytes:
    """What vLLM's own code writes for an exception."""
    return f"data: {serving.create_streaming_error_response(error)}\n\n".encode()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyError("x"), 500),
        (VLLMValidationError("x"), 400),
        (VLLMNotFoundError("x"), 404),
        (ValueError("text with a\nbreak and ü"), 400),
        ("a message", 400),
    ],
)
def test_the_code_is_read_from_what_vllm_writes(error: Any, code: int) -> None:
    assert code_in(event(error)) == code
    assert code_in(WHOLE + event(error) + b"data: [DONE]\n\n") == code


def test_a_generation_error_is_read_too() -> None:
    text = serving._convert_generation_error_to_streaming_response(GenerationError("x"))
    assert code_in(f"data: {text}\n\n".encode()) == HTTPStatus.INTERNAL_SERVER_ERROR


def test_the_error_of_a_messages_stream_tells_no_code() -> None:
    said = AnthropicError(type="internal_error", message='event: error\n"code": 400')
    error = AnthropicStreamEvent(type="error", error=said)
    text = wrap_data_with_event(error.model_dump_json(exclude_unset=True), "error").encode()
    assert code_in(text) == UNKNOWN
    assert code_in(NAMED_WHOLE + text) == UNKNOWN


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_the_code_is_read_from_what_we_write(path: str) -> None:
    assert code_in(error_event(400, "text", "bad_request", path)) == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"data: [DONE]\n\n", WHOLE, WHOLE * 3, b": keep-alive\n\n", NAMED_WHOLE, NAMED_WHOLE * 2],
)
def test_an_answer_is_no_error_whatever_it_quotes(body: bytes) -> None:
    assert code_in(body) is None


@pytest.mark.parametrize(
    "rest", [b"", b": 5}", b': {"code": "x"}}', b': {"code": 200}}', b': {"code": true}}', b": {"]
)
def test_an_event_that_cannot_be_read_is_the_servers_fault(rest: bytes) -> None:
    assert code_in(b'data: {"error"' + rest + b"\n\n") == UNKNOWN


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (KeyError("text of a prompt"), "server_error", "exception"),
        (VLLMValidationError("bad grammar"), "client_error", "bad_request"),
    ],
)
async def test_a_stream_that_ends_in_an_error_is_no_success(
    install: Install, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str, reason: str
) -> None:
    records, app = install(), vllm.served(monkeypatch)
    app.serving.breaks = error
    answer = await app.post(CHAT, BODY)
    assert (answer.status_code, answer.text.endswith("data: [DONE]\n\n")) == (200, True)
    assert end(records[0]) == (outcome, reason, 200)
