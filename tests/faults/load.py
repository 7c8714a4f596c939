"""Mixed load beside a test: what its clients saw is there when the block is over."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest.rows import Row, read_rows
from stack.settings import Settings
from tests.conftest import REPO

INVALID = 3
"""The generator was late: on a busy machine it is, and nothing here is timed by it."""


@contextmanager
def load(stack: Settings, rate: float, seconds: float, seed: int = 4) -> Iterator[list[Row]]:
    """Visits per second for so many seconds; waits for the last of them at the block's end."""
    run_id = f"test-{secrets.token_hex(4)}"
    asked = {"RATE": f"{rate:g}", "DURATION": f"{seconds:g}", "SEED": str(seed), "RUN_ID": run_id}
    env = {**os.environ, **asked, "STATE_DIR": str(stack.state)}
    command = [sys.executable, "-m", "stack", "load"]
    rows: list[Row] = []
    with subprocess.Popen(
        command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield rows
        finally:
            said, _ = process.communicate(timeout=900)
    assert process.returncode in (0, 1, INVALID), said
    rows += read_rows(stack.state / "load" / run_id)


def answered(rows: list[Row]) -> set[str]:
    """The traces of requests with an answer: who hangs up may do so before a word was read."""
    return {row.trace_id for row in rows if row.status is not None}
