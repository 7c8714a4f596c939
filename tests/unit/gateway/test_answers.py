"""Errors of ours have the form of the route that they end: each client looks for its own."""

import json
from typing import Any

import pytest

from server.gateway import answers
from server.gateway.stream_errors import code_in

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
TOLD = {"message": "Too late.", "type": "deadline", "param": None, "code": 504}


def body(path: str) -> dict[str, Any]:
    _, said = answers.error(504, "Too late.", "deadline", {}, path)
    found: dict[str, Any] = json.loads(said["body"])
    return found


def test_each_route_has_an_error_of_its_own_form() -> None:
    assert body(CHAT) == body(RESPONSES) == body("/nope") == {"error": TOLD}
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        assert body(path) == {"type": "error", "error": TOLD}


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_an_event_of_ours_is_read_as_an_error(path: str) -> None:
    event = answers.error_event(504, "Too late.", "deadline", path)
    assert event.endswith(b"\n\n")
    assert code_in(event) is not None


def test_events_have_names_where_the_routes_own_have() -> None:
    def event(path: str) -> tuple[bytes, dict[str, Any]]:
        name, _, data = answers.error_event(504, "Too late.", "deadline", path).partition(b"data: ")
        return name, json.loads(data)

    assert event(CHAT) == (b"", {"error": TOLD})
    assert event(MESSAGES) == (b"event: error\n", {"type": "error", "error": TOLD})
    name, said = event(RESPONSES)
    assert name == b"event: error\n"
    assert (said["type"], said["code"], said["message"]) == ("error", "deadline", "Too late.")
    assert said["error"] == TOLD


class VLLMClientError(Exception):
    """Known by its name."""


def test_what_an_application_raised_is_told_by_whose_fault_it_is() -> None:
    assert answers.of_exception(VLLMClientError("why"))[:2] == (400, "why")
    assert answers.of_exception(VLLMClientError())[:2] == (400, "The engine refused this request.")
    status, said, _ = answers.of_exception(KeyError("text of a prompt"))
    assert (status, "text of a prompt" in said) == (500, False)
