"""`make clean` asks first, deletes what it named, and nothing while anything runs."""

import io
import re
from pathlib import Path

import pytest

from server.storage.state_dir import StateDir
from stack.commands.clean import clean
from stack.errors import Fault
from stack.parts import memo
from stack.settings import Settings
from stack.upkeep import leavings, volumes
from tests.unit.stack.upkeeping import REPO, checkout, fill, left


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "has_docker", lambda: False)
    monkeypatch.delenv("CONFIRM", raising=False)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    found = checkout(tmp_path / "here")
    fill(found.state / "server")
    for name in ("prometheus", "logs", "secrets"):
        (found.state / name).mkdir()
        (found.state / name / "x").write_text("x")
    found.run.mkdir()
    (found.run / "supervisor.sock").write_text("")
    return found


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(text))


def test_a_typed_yes_deletes_what_was_named(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "yes\n")
    assert clean(here) == 0
    assert left(here) == ["run/up.lock"], "whoever waits for it must find the same file"
    said = capsys.readouterr().out
    assert "the bill so far" in said and "`make backup` keeps them" in said and "MB" in said
    assert clean(here) == 0
    assert "nothing to delete" in capsys.readouterr().out


@pytest.mark.parametrize("said", ["", "\n", "y\n", "YES\n", "no\n", "yes please\n"])
def test_any_other_answer_deletes_nothing(
    here: Settings, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    before = left(here)
    answer(monkeypatch, said)
    with pytest.raises(Fault, match="nothing was deleted"):
        clean(here)
    assert left(here) == sorted([*before, "run/up.lock"])


@pytest.mark.parametrize("said", ["", "y", "1", "true", "YES"])
def test_without_a_terminal_only_the_variable_says_yes(
    here: Settings, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    monkeypatch.setenv("CONFIRM", said)
    with pytest.raises(Fault, match="CONFIRM=yes make clean"):
        clean(here)
    assert "server/ledger.json" in left(here)
    monkeypatch.setenv("CONFIRM", "yes")
    assert clean(here) == 0
    assert left(here) == ["run/up.lock"]


def test_a_line_in_env_is_no_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    found = checkout(tmp_path / "x", CONFIRM="yes")
    fill(found.state / "server")
    with pytest.raises(Fault, match="nobody is here"):
        clean(found)


@pytest.mark.parametrize("way", ["native", "compose"])
def test_nothing_is_deleted_while_the_stack_is_up(
    here: Settings, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("CONFIRM", "yes")
    memo.remember(here, {"way": way})
    with pytest.raises(Fault, match=rf"the stack is up \({way}\): `make down`, then `make clean`"):
        clean(here)
    assert "server/ledger.json" in left(here)


def test_nothing_is_deleted_under_a_server_that_was_started_by_hand(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIRM", "yes")
    server = StateDir(here.state / "server")
    try:
        with pytest.raises(Fault, match="a server uses"):
            clean(here)
    finally:
        server.release()
    assert "server/ledger.json" in left(here)


def test_what_is_not_ours_stays_and_a_link_leads_nowhere(
    here: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (elsewhere / "block").write_text("mine")
    (here.state / "tempo").symlink_to(elsewhere)
    (here.state / "notes").write_text("mine")
    monkeypatch.setenv("CONFIRM", "yes")
    assert clean(here) == 0
    assert left(here) == ["notes", "run/up.lock"]
    assert (elsewhere / "block").exists() and not (here.state / "tempo").is_symlink()
    said = capsys.readouterr().out
    assert f"stays: {here.state / 'notes'}" in said and "what it leads to stays" in said


def test_no_folder_that_a_command_of_ours_fills_is_strange_to_it() -> None:
    named = re.compile(r'settings\.state / "(\w[\w-]*)"')
    code = [
        path for name in ("stack", "loadtest", "clients") for path in REPO.glob(f"{name}/**/*.py")
    ]
    code += (REPO / "tests" / "bench" / "overhead").glob("*.py")
    made = {name for path in code for name in named.findall(path.read_text())}
    assert {"server", "load", "bench"} <= made
    assert [name for name in sorted(made) if not leavings.about(name)] == []
