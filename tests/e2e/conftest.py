"""A client of the running stack, and what its server wrote."""

from collections.abc import Callable

import pytest

from stack.containers import compose
from stack.settings import Settings
from tests.conftest import is_compose
from tests.e2e.client import Client


@pytest.fixture(scope="session")
def client(stack: Settings) -> Client:
    return Client()


@pytest.fixture
def server_log(stack: Settings, pytestconfig: pytest.Config) -> Callable[[], str]:
    """Reads the server's log of this moment, whichever way it runs."""

    def read() -> str:
        if is_compose(pytestconfig):
            return compose.output(stack, "logs", "--no-color", "--no-log-prefix", "server")
        return (stack.logs / "server.log").read_text(errors="replace")

    return read
