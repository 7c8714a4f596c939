"""Three quick drills of `make drill`, none of which exchanges the server.

Forced: what earlier tests did to the server's budgets fires for hours by the shipped windows, and
by the shortened ones for a minute.
"""

import re

import pytest

from tests.conftest import run_stack
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
DRILLS = ("target-missing", "part-killed", "rule-fails")


def test_causes_reach_a_receiver_and_nothing_else_does(parts: Parts) -> None:
    assert parts.pid("server")
    folder = parts.settings.run / "prometheus"
    before = {path.name: path.resolve() for path in folder.iterdir()}
    done = run_stack(
        "drill", STATE_DIR=str(parts.settings.state), CAUSE=",".join(DRILLS), FORCE="1"
    )
    assert done.returncode == 0, done.stdout
    for name in DRILLS:
        assert re.search(rf"✓ {name}.* silent \d+ s after the restore", done.stdout), done.stdout
    assert len(re.findall(r"fired \d+ s after the cause, arrived \d+ s", done.stdout)) == 3
    assert {path.name: path.resolve() for path in folder.iterdir()} == before
    assert not (parts.settings.run / "drill").exists()
    assert_all_signals()
