"""LiteLLM's proxy in front of the server, asked by the `openai` package."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from openai import APIStatusError

from clients import script
from clients.conversation import Conversation, Place, Talk, told
from clients.said import NO_KEY
from clients.talks import openai_sdk
from stack.errors import Fault
from stack.http import probe
from stack.readiness import ports
from stack.run import last_error

START_SECONDS = 120.0
_WRONG = "-wrong-key"
_KEY, _OWN_KEY = "CLIENTS_SERVER_KEY", "LITELLM_MASTER_KEY"
_QUIET = {
    # Else it asks another host for prices at its start, three times.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "NO_DOCS": "True",
}


def configuration(place: Place) -> dict[str, Any]:
    """Its file: the model by the server's key, and once more by a key that nobody has."""
    served = {"model": f"hosted_vllm/{place.model}", "api_base": f"{place.api}/v1"}
    good = {**served, "api_key": f"os.environ/{_KEY}"}
    bad = {**served, "api_key": place.wrong_key}
    return {
        "model_list": [
            {"model_name": place.model, "litellm_params": good},
            {"model_name": f"{place.model}{_WRONG}", "litellm_params": bad},
        ],
        # Without it the caller's x-request-id ends at the proxy.
        "general_settings": {"forward_client_headers_to_llm_api": True},
        "litellm_settings": {"telemetry": False},
    }


@contextmanager
def running(place: Place) -> Iterator[Place]:
    """The proxy on a free port of loopback, as the place to talk to; raises Fault."""
    port = ports.any_free()
    own_key = f"sk-{secrets.token_urlsafe(24)}"
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        process, log = _start(Path(folder), place, port, own_key)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, log)
            yield replace(place, api=url, key=own_key)
        finally:
            process.terminate()
            process.wait(30)


def _start(
    folder: Path, place: Place, port: int, own_key: str
) -> tuple["subprocess.Popen[bytes]", Path]:
    written, log = folder / "config.yaml", folder / "log"
    written.write_text(json.dumps(configuration(place)))
    program = str(Path(sys.executable).with_name("litellm"))
    command = [program, "--config", str(written), "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, **_QUIET, _KEY: place.shown_key, _OWN_KEY: own_key}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
    return process, log


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not probe(f"{url}/health/liveliness"):
        if process.poll() is not None or time.monotonic() > until:
            raise Fault(f"LiteLLM's proxy did not start: {last_error(log)}")
        time.sleep(0.3)


def wrong_key(talk: Conversation) -> None:
    """The server refuses the proxy's key, and the caller is told so."""
    said = talk.request(NO_KEY)
    with told(said, APIStatusError):
        asked: Any = {"messages": openai_sdk.ASKED, "max_tokens": script.TOKENS}
        chats = openai_sdk.sdk(talk.place).chat.completions
        chats.create(model=f"{talk.place.model}{_WRONG}", extra_headers=said.own_id, **asked)
    said.check_refused("AuthenticationError")


# The proxy tells the models of its own file.
_OWN = {name: talk for name, talk in openai_sdk.TALKS.items() if name != "models"}
TALKS: Mapping[str, Talk] = {**_OWN, "wrong-key": wrong_key}
