"""A client of the running stack."""

import pytest

from stack.settings import Settings
from tests.e2e.client import Client


@pytest.fixture(scope="session")
def client(stack: Settings) -> Client:
    return Client()
