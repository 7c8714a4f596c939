"""`make clients`: says how to start a server that is not there, else runs the matrix."""

from pathlib import Path

import pytest

from stack.commands import clients
from stack.errors import Fault
from stack.settings import Settings

SETTINGS = Settings(Path(), Path(), Path(), {})


def test_without_a_server_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "probe", lambda url: False)
    with pytest.raises(Fault, match=r"no server is ready .*make up.*docs/clients\.md"):
        clients.clients(SETTINGS)


def test_the_matrix_runs_in_the_clients_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[str, ...]]()
    monkeypatch.setattr(clients, "probe", lambda url: True)
    monkeypatch.setattr(
        clients.venv, "run_module", lambda _, *names: asked.append(names) or len(asked)
    )
    assert clients.clients(SETTINGS) == 1
    assert asked == [("clients", "clients")]
