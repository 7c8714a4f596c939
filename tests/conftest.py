"""The one running stack that the end-to-end and fault tests share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import settings as stack_settings
from tests.e2e import stores

REPO = Path(__file__).resolve().parent.parent


def run_stack(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m stack COMMAND` and return its exit code and output."""
    return subprocess.run(
        [sys.executable, "-m", "stack", command],
        cwd=REPO,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def is_compose(config: pytest.Config) -> bool:
    """True under `make test-compose`."""
    return config.pluginmanager.has_plugin("tests.compose.plugin")


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[stack_settings.Settings]:
    """The stack of this checkout: the healthy one, else one of our own with its own state.

    `make test-compose` brings its own, from tests/compose/plugin.py.
    """
    for settings in _stack(request):
        stores.use(settings)
        yield settings


def _stack(request: pytest.FixtureRequest) -> Iterator[stack_settings.Settings]:
    if is_compose(request.config):
        yield request.getfixturevalue("containers")
        return
    if run_stack("status").returncode == 0:
        yield stack_settings.load(REPO)
        return
    environment = {"STATE_DIR": ".state/test", "MODE": "native", "MODEL": "tiny"}
    started = run_stack("up", **environment)
    if started.returncode != 0:
        pytest.exit(f"the test stack did not start:\n{started.stdout[-4000:]}", returncode=1)
    yield stack_settings.load(REPO, {**os.environ, **environment})
    run_stack("down", **environment)
