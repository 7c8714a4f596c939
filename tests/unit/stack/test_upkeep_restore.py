"""`make backup` and `make restore`, natively: what is there is kept, and a server is in the way."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from server.ledger.books import BookFile
from server.requests.in_flight_journal import Journal
from server.storage.state_dir import StateDir
from stack.commands.backup import backup
from stack.commands.restore import restore
from stack.errors import Fault
from stack.parts import memo
from stack.settings import Settings
from stack.upkeep import archive, state_files, volumes
from tests.unit.stack.upkeeping import ENTRY, PRICES, books, checkout, fill, made, told


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "has_docker", lambda: False)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    found = checkout(tmp_path / "here")
    fill(found.state / "server")
    return found


def kept(settings: Settings) -> archive.Backup:
    paths = (settings.repo / "backups").glob("before-restore-*")
    return archive.read(max(paths, key=lambda path: path.stat().st_mtime_ns))


def test_what_was_backed_up_is_what_the_next_server_reads(
    here: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made(here)
    assert "a bill of $1.500000, 1 request in flight" in capsys.readouterr().out
    there = checkout(tmp_path / "there", FROM=path)
    assert restore(there) == 0
    state = there.state / "server"
    assert BookFile(state).carried["part", "idle"] == 1_500_000_000
    assert [*Journal(state)._left] == [Path(ENTRY).name]
    assert state_files.read(state) == state_files.read(here.state / "server")
    assert "nothing was in" in capsys.readouterr().out
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()}
    assert modes == {"in-flight": 0o700, "in-flight.slots": 0o600, "ledger.json": 0o600,
                     "step-model.json": 0o600, "lock": 0o600}  # fmt: skip


def test_what_was_there_is_kept_and_can_be_had_again(here: Settings) -> None:
    path, state = made(here), here.state / "server"
    (state / "ledger.json").write_bytes(books(9))
    (here.repo / "server" / "prices.yaml").write_bytes(b"prices: {new: 1}\n")
    newer = state / "in-flight" / f"{'c' * 32}-{'d' * 16}"
    newer.write_bytes(b"{}")
    assert restore(told(here, FROM=path)) == 0
    assert (state / "ledger.json").read_bytes() == books()
    assert (here.repo / "server" / "prices.yaml").read_bytes() == PRICES
    assert newer.exists(), "another killed request is still one"
    undo = kept(here)
    assert undo.state["ledger.json"] == books(9)
    assert undo.given["prices.yaml"] == b"prices: {new: 1}\n"
    (name,) = (here.repo / "backups").glob("before-restore-*")
    assert restore(told(here, FROM=str(name))) == 0
    assert (state / "ledger.json").read_bytes() == books(9)


def test_even_torn_books_are_kept(here: Settings) -> None:
    path = made(here)
    (here.state / "server" / "ledger.json").write_bytes(b"{torn")
    assert restore(told(here, FROM=path)) == 0
    assert kept(here).state["ledger.json"] == b"{torn"
    with pytest.raises(Fault, match="is no books"):
        restore(told(here, FROM=str(max((here.repo / "backups").glob("before-*")))))


def test_the_operators_files_go_where_the_settings_name_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"LLM_SERVER_BUDGETS": "b.yaml", "LLM_SERVER_KEYS": "keys/k.yaml"}
    first = checkout(tmp_path / "first", **names)
    fill(first.state / "server")
    (first.repo / "b.yaml").write_bytes(b"budgets")
    (first.repo / "keys").mkdir()
    (first.repo / "keys" / "k.yaml").write_bytes(b"old keys")
    path = made(first)
    (first.repo / "keys" / "k.yaml").write_bytes(b"a key less")
    (first.repo / "b.yaml").unlink()
    assert restore(told(first, FROM=path)) == 0
    assert (first.repo / "b.yaml").read_bytes() == b"budgets"
    assert (first.repo / "keys" / "k.yaml").read_bytes() == b"a key less"
    said = capsys.readouterr().out
    assert "a key that was withdrawn would count again" in said and "prices.yaml: the same" in said
    second = checkout(tmp_path / "second", FROM=path)
    assert restore(second) == 0
    assert "budgets.yaml: LLM_SERVER_BUDGETS names no file" in capsys.readouterr().out


def test_nothing_of_a_backup_steers_a_terminal(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    good = archive.read(here.repo / made(here))
    odd = archive.write(replace(good, made="\x1b]0;x\x07"), here.repo, "odd")
    odd = odd.rename(here.repo / "odd.tar.gz")
    assert restore(told(here, FROM=str(odd))) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_only_the_books_when_asked(here: Settings) -> None:
    path, prices = made(here), here.repo / "server" / "prices.yaml"
    prices.write_bytes(b"newer")
    assert restore(told(here, FROM=path, ONLY="books")) == 0
    assert prices.read_bytes() == b"newer"
    with pytest.raises(Fault, match="ONLY=prices is unknown"):
        restore(told(here, FROM=path, ONLY="prices"))


def untouched(settings: Settings) -> dict[str, bytes]:
    paths = [path for path in settings.repo.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in paths if path.name not in ("up.lock", "lock")}


@pytest.mark.parametrize("way", ["native", "compose"])
def test_nothing_is_restored_while_the_stack_is_up(here: Settings, way: str) -> None:
    path = made(here)
    memo_file = here.run
    memo_file.mkdir(parents=True)
    memo.remember(here, {"way": way})
    (here.state / "server" / "ledger.json").write_bytes(books(9))
    before = untouched(here)
    with pytest.raises(Fault, match=rf"the stack is up \({way}\): `make down`, then `make restore"):
        restore(told(here, FROM=path))
    assert untouched(here) == before


@pytest.mark.parametrize("name", [state_files.LOCK, state_files.JOURNAL])
def test_no_link_in_the_state_leads_root_out_of_it(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda opened, *_: given.append(os.fstat(opened).st_ino))
    monkeypatch.setattr(os, "chown", lambda path, *_: given.append(Path(path).stat().st_ino))
    outside, link = tmp_path / "outside", here.state / "server" / name
    outside.mkdir() if name == state_files.JOURNAL else outside.touch()
    shutil.rmtree(link) if link.is_dir() else link.unlink(missing_ok=True)
    link.symlink_to(outside)
    with pytest.raises(OSError, match=name):
        state_files.put(here.state / "server", {ENTRY: b"x"})
    assert outside.stat().st_ino not in given
    assert name == state_files.LOCK or not any(outside.iterdir())


def test_nothing_is_restored_under_a_server_that_was_started_by_hand(here: Settings) -> None:
    path, state = made(here), here.state / "server"
    (state / "ledger.json").write_bytes(books(9))
    server = StateDir(state)
    try:
        with pytest.raises(Fault, match="a server uses"):
            restore(told(here, FROM=path))
        assert backup(here) == 0, "a backup waits for nobody"
    finally:
        server.release()
    assert (state / "ledger.json").read_bytes() == books(9)


def test_a_changed_backup_touches_nothing(here: Settings, tmp_path: Path) -> None:
    whole = Path(made(here)).read_bytes()
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(whole[:-20])
    before = untouched(here)
    with pytest.raises(Fault, match=r"bad\.tar\.gz"):
        restore(told(here, FROM=str(bad)))
    assert untouched(here) == before


def test_a_file_that_cannot_be_written_stops_it_before_the_first(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = made(here), here.state / "server"
    (state / "ledger.json").write_bytes(books(9))
    (here.repo / "server" / "prices.yaml").write_bytes(b"newer")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Fault, match=r"prices.yaml cannot be written: .*ONLY=books"):
        restore(told(here, FROM=path))
    assert (state / "ledger.json").read_bytes() == books(9)


def test_without_a_name_the_newest_is_told(here: Settings) -> None:
    with pytest.raises(Fault, match=r"make restore FROM=backups/backup-\.\.\."):
        restore(here)
    path = Path(made(here))
    with pytest.raises(Fault, match=f"make restore FROM=backups/{path.name}"):
        restore(here)


def test_a_backup_of_containers_says_where_it_would_go(here: Settings, tmp_path: Path) -> None:
    found = archive.read(Path(made(here)))
    other = archive.Backup(found.made, "compose", found.state, found.given)
    path = archive.write(other, tmp_path, "x")
    with pytest.raises(Fault, match="MODE=native or MODE=compose"):
        restore(told(here, FROM=str(path)))
    assert restore(told(here, FROM=str(path), MODE="native")) == 0


def test_there_is_nothing_to_back_up_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="holds no books"):
        backup(checkout(tmp_path / "new"))
    assert not (tmp_path / "new" / "backups").exists()


def test_a_setting_that_names_no_file_is_said(tmp_path: Path) -> None:
    found = checkout(tmp_path / "x", LLM_SERVER_BUDGETS="gone.yaml")
    fill(found.state / "server")
    with pytest.raises(Fault, match=r"LLM_SERVER_BUDGETS names .*gone.yaml, which is no file"):
        backup(found)


def test_it_goes_where_it_is_told(here: Settings, tmp_path: Path) -> None:
    assert backup(told(here, TO=str(tmp_path / "else" / "where"))) == 0
    assert len(list((tmp_path / "else" / "where").iterdir())) == 1
