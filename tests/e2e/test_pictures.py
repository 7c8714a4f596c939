"""After a minute of mixed load every panel of every board has data."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from grafana.pictures import bench, board
from grafana.pictures.__main__ import missing
from grafana.pictures.stores import Stores
from tests.e2e.client import Client
from tests.e2e.stores import stores

pytestmark = pytest.mark.e2e

REPO = Path(__file__).parents[2]
LOAD = [sys.executable, "loadtest/mixed.py", "--rate", "2", "--seconds", "60", "--seed", "5"]
PATIENCE_SECONDS = 90.0
"""Rates need two scrapes, rules a minute, and a store finds a trace some seconds after its end."""


def _stores() -> Stores:
    return Stores(logs=stores().logs, traces=stores().traces)


@pytest.fixture(scope="module")
def loaded(client: Client) -> None:
    done = subprocess.run(LOAD, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("loaded")
def test_every_panel_of_every_board_has_data() -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while (empty := missing(bench.ask(board.load(), _stores())[1])) and time.monotonic() < end:
        time.sleep(5)
    assert empty == []
