"""A short part of `make clients`: what two SDKs count is what the server records."""

import pytest

from stack.builds import venv
from stack.settings import Settings
from tests.conftest import is_compose, run_stack

pytestmark = pytest.mark.e2e


def test_what_the_sdks_count_is_what_is_recorded(
    stack: Settings, pytestconfig: pytest.Config
) -> None:
    if not venv.is_made(stack, "clients"):
        pytest.skip("no environment of the clients: `make clients` makes it")
    if is_compose(pytestconfig):
        pytest.skip("the command reads the stores that this checkout's `make up` started")
    asked = {"CLIENTS": "openai,anthropic", "FEATURES": "plain,stream,abort,too-long,count"}
    done = run_stack("clients", STATE_DIR=str(stack.state), **asked)
    assert done.returncode == 0, done.stdout
    assert "9 of 9 cells" in done.stdout
