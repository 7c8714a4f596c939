"""After a minute of mixed load every panel of every board has data."""

import time

import pytest

from grafana.pictures import bench, board
from grafana.pictures.__main__ import missing
from grafana.pictures.stores import Stores
from stack.settings import Settings
from tests.e2e.client import Client
from tests.e2e.stores import stores
from tests.faults.load import load

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 90.0
"""Rates need two scrapes, rules a minute, and a store finds a trace some seconds after its end."""


def _stores() -> Stores:
    return Stores(logs=stores().logs, traces=stores().traces)


@pytest.fixture(scope="module")
def loaded(client: Client, stack: Settings) -> None:
    with load(stack, rate=2, seconds=60, seed=5) as rows:
        pass
    assert rows
    assert [row for row in rows if not row.provoked] == []


@pytest.mark.usefixtures("loaded")
def test_every_panel_of_every_board_has_data() -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while (empty := missing(bench.ask(board.load(), _stores())[1])) and time.monotonic() < end:
        time.sleep(5)
    assert empty == []
