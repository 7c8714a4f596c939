"""One HTTP request is one record, however many prompts it holds and answers it wants."""

import secrets
from typing import Any

import pytest

from tests.e2e.client import CHAT, COMPLETIONS, Client
from tests.e2e.ledger import Ledger, assert_same_in_span_and_line, assert_tiles
from tests.e2e.stores import story

pytestmark = pytest.mark.e2e


def _chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _prompts(*texts: str) -> dict[str, Any]:
    return {"prompt": list(texts) if len(texts) > 1 else texts[0]}


SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, _chat("One answer")),
    "chat, n=3": (CHAT, _chat("Three answers") | {"n": 3}),
    "completion": (COMPLETIONS, _prompts("import os")),
    "completion, n=3": (COMPLETIONS, _prompts("import os") | {"n": 3}),
    "batch of 3": (COMPLETIONS, _prompts("import os", "def main():", "class Path:")),
    "one token": (CHAT, _chat("Short") | {"max_tokens": 1}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_record_with_the_tokens_of_the_usage(client: Client, shape: str, stream: bool) -> None:
    path, body = SHAPES[shape]
    ledger = Ledger.open(client.model, "ok")
    sent = client.post(path, {**body, "stream": stream})
    assert sent.status == 200, sent.text
    found = story(sent.trace_id)
    assert found.finished["output_tokens"] == sent.usage["completion_tokens"]
    assert found.finished["input_tokens"] == sent.usage["prompt_tokens"]
    operation = "chat" if path == CHAT else "text_completion"
    assert found.finished["operation"] == operation
    assert found.finished["finish_reasons"]
    assert_tiles(found)
    assert_same_in_span_and_line(found)
    ledger.check(found.finished)


def test_cached_input_is_counted_apart_and_priced_as_such(client: Client) -> None:
    prompt = f"{secrets.token_hex(8)} " + "import os, sys, json; " * 60
    story(client.complete(prompt).trace_id)
    ledger = Ledger.open(client.model, "ok")
    finished = story(client.complete(prompt).trace_id).finished
    assert 0 < finished["cached_input_tokens"] < finished["input_tokens"]
    ledger.check(finished)
