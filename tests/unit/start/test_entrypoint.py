"""The container's start, with a python3 that only says what it was asked for."""

import os
import subprocess
from pathlib import Path

import pytest

from server.exits import Exit

ENTRYPOINT = Path(__file__).parents[3] / "server/entrypoint.sh"
STUB = """#!/bin/sh
if [ "$2" = server.tiny_model ]; then
    [ -z "$BROKEN" ] || exit 3
    echo "a line before the last"
    echo /cache/models/tiny-1
else
    printf '%s\\n' "$@"
fi
"""


@pytest.fixture
def path_with_stub(tmp_path: Path) -> str:
    """Return a PATH whose python3 is the stub."""
    stub = tmp_path / "python3"
    stub.write_text(STUB)
    stub.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def start(path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point with no other variables than these."""
    return subprocess.run(
        [str(ENTRYPOINT), "--seed", "1"],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def flag(said: list[str], name: str) -> str:
    """Return the value that follows a flag."""
    return said[said.index(name) + 1]


def test_tiny_model_is_made_and_served(path_with_stub: str) -> None:
    """The model's folder is the last line of the maker, its flags are those of .env."""
    said = start(path_with_stub, MODEL="tiny", VLLM_ARGS_TINY="--enforce-eager --dtype float32")
    arguments = said.stdout.splitlines()
    assert flag(arguments, "--model") == "/cache/models/tiny-1"
    assert flag(arguments, "--served-model-name") == "tiny-llama"
    assert flag(arguments, "--dtype") == "float32"
    assert flag(arguments, "--seed") == "1"


def test_another_model_keeps_its_name_and_takes_no_tiny_flags(path_with_stub: str) -> None:
    """A hub id is passed on as it is."""
    said = start(path_with_stub, MODEL="a/b", VLLM_ARGS_TINY="--enforce-eager", VLLM_ARGS="")
    arguments = said.stdout.splitlines()
    assert flag(arguments, "--model") == flag(arguments, "--served-model-name") == "a/b"
    assert "--enforce-eager" not in arguments


def test_a_model_that_cannot_be_made_stops_the_start(path_with_stub: str) -> None:
    """Without a model there is nothing to serve, so the container fails."""
    said = start(path_with_stub, MODEL="tiny", BROKEN="1")
    assert said.returncode == Exit.NOT_STARTED
    assert not said.stdout
