"""`make alert-test` on the running stack: through Alertmanager and alertlog into the log store."""

import pytest

from stack.receivers.chosen import chosen
from stack.settings import Settings
from tests.conftest import run_stack


def test_an_alert_arrives_in_the_log_store(stack: Settings) -> None:
    if told := chosen(stack):
        pytest.skip(f"it would disturb whom .env names: {told[0].name}")
    done = run_stack("alert-test", STATE_DIR=str(stack.state))
    assert done.returncode == 0, done.stdout
    assert "arrived  alertlog: its record is in " in done.stdout
