"""The parts of the running stack."""

import pytest

from stack.settings import Settings
from tests.faults.parts import Parts


@pytest.fixture(scope="session")
def parts(stack: Settings) -> Parts:
    return Parts(stack)
