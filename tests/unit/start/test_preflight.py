"""A bad setting ends the start by name, before vLLM is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
# -X importtime prints each module as it is imported.
START = [sys.executable, "-X", "importtime", "-m", "server", "--model", "none"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LLM_SERVER_DEADLINE_SECONDS", "soon", "LLM_SERVER_DEADLINE_SECONDS"),
        ("LLM_SERVER_PRICES", "no-such-prices.yaml", "no-such-prices.yaml"),
        ("LLM_SERVER_KEYS", "no-such-keys.yaml", "no-such-keys.yaml"),
        ("LLM_SERVER_BUDGETS", "no-such-budgets.yaml", "no-such-budgets.yaml"),
        ("LLM_SERVER_BUDGETS", "docs/budgets.example.yaml", "tenants: team-search: there is no"),
    ],
)
def test_a_bad_setting_stops_the_start_at_once(name: str, value: str, said: str) -> None:
    done = subprocess.run(
        START,
        cwd=REPO,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    last = done.stderr.splitlines()[-1]
    assert last.startswith("llm-server cannot start: ")
    assert said in last
    assert "| vllm" not in done.stderr
