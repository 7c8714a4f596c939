"""A window of known requests is repeated to the token, without any of their text."""

import secrets
import time

import pytest

from loadtest.replay.window import named
from stack.settings import Settings
from tests.conftest import run_stack
from tests.e2e.client import Client
from tests.e2e.stores import story

pytestmark = pytest.mark.e2e


def test_a_window_is_sent_once_more_to_the_token(stack: Settings, client: Client) -> None:
    began = time.time() - 0.01
    prompt = f"{secrets.token_hex(8)} " + "import os, sys, json; " * 60
    sent = client.complete(prompt), client.complete(prompt), client.chat("Once", stream=True)
    found = [story(each.trace_id).finished for each in sent]
    done = run_stack(
        "replay",
        SINCE=named(began),
        UNTIL=named(time.time()),
        RUN_ID=f"replay-{secrets.token_hex(4)}",
        STATE_DIR=str(stack.state),
    )
    # How late a busy machine was is in the status too: that is no test of what was sent.
    assert done.returncode in (0, 1), done.stdout
    for what in ("input", "output"):
        count = sum(each[f"{what}_tokens"] for each in found)
        assert f"✓ {what} tokens of them: {count:,} recorded, {count:,} replayed" in done.stdout
    assert "✓ completed requests: 3 recorded, 3 replayed" in done.stdout, done.stdout
    assert "✓ of these lengths, streamed or not: 3 of 3" in done.stdout
    shared = found[1]["cached_input_tokens"]
    assert f"{shared:,} that prompts of the window share, {shared:,} replayed" in done.stdout
    assert "import os" not in done.stdout
