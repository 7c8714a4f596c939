"""No odd value of any field of /v1/responses and /v1/messages is the server's error."""

from typing import Any

import pytest
from vllm.entrypoints.anthropic.protocol import (
    AnthropicCountTokensRequest,
    AnthropicMessagesRequest,
)
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest

from tests.unit.asgi import Install
from tests.unit.other_routes import ASKED, COUNT, MESSAGES, RESPONSES, Other

ODD: tuple[Any, ...] = (None, [{}], {"type": "x"}, 2**70, f"{2**70}.0")
"""What most often passed a check and failed behind it."""
COUNTED = {name: ASKED[MESSAGES][name] for name in ("model", "messages")}
ROUTES: dict[str, tuple[Any, dict[str, Any]]] = {
    RESPONSES: (ResponsesRequest, {**ASKED[RESPONSES], "stream": True}),
    MESSAGES: (AnthropicMessagesRequest, {**ASKED[MESSAGES], "stream": True}),
    COUNT: (AnthropicCountTokensRequest, COUNTED),
}


@pytest.mark.parametrize("path", ROUTES)
async def test_an_odd_value_is_served_or_the_callers_mistake(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    records, app = install(), Other(monkeypatch)
    kind, base = ROUTES[path]
    asked = [(name, odd) for name in kind.model_fields for odd in ODD]
    for name, odd in asked:
        await app.post(path, {**base, name: odd})
    ends = zip(asked, records, strict=True)
    failed = [what for what, record in ends if record.outcome not in ("ok", "client_error")]
    assert failed == [], "refuse it in front by name (server/gateway/refusals.py)"


@pytest.mark.parametrize("path", [RESPONSES, MESSAGES])
@pytest.mark.parametrize(
    ("priority", "outcome"),
    [(str(2**64), "client_error"), (str(-(2**70)), "client_error"), ("-3", "ok"), ("x", "ok")],
)
async def test_a_header_that_goes_to_the_engine_is_served_or_the_callers_mistake(
    install: Install, monkeypatch: pytest.MonkeyPatch, path: str, priority: str, outcome: str
) -> None:
    records, app = install(), Other(monkeypatch)
    await app.post(path, ROUTES[path][1], **{"x-vllm-priority": priority})
    assert [record.outcome for record in records] == [outcome]
