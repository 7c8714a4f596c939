"""`make backup` beside whoever writes what it reads: every file of one moment, books first."""

import json
import threading
from pathlib import Path

import pytest

from server.ledger.books import BookFile
from stack.settings import Settings
from stack.upkeep import archive, state_files, volumes
from tests.unit.stack.upkeeping import ENTRY, checkout, fill, made


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "has_docker", lambda: False)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    found = checkout(tmp_path / "here")
    fill(found.state / "server")
    return found


def test_beside_a_server_that_writes_every_backup_is_of_one_moment(here: Settings) -> None:
    """The server's own writer, with sums that add up in every version of the file."""
    state, ending = here.state / "server", threading.Event()
    file = BookFile(state)
    journal = state / "in-flight"

    def serve() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            entry = journal / f"{number:032x}-{number:016x}"
            entry.write_bytes(b"{}")
            file.carried["part", "idle"] = file.carried["part", "stall"] = number
            file.write(file.carried, 0, 0, file.periods)
            entry.unlink()

    server = threading.Thread(target=serve)
    server.start()
    try:
        for _ in range(20):
            found = archive.read(Path(made(here)))
            rows = {
                tuple(key): amount
                for key, amount in json.loads(found.state["ledger.json"])["books"]
            }
            assert rows["part", "idle"] == rows.get(("part", "stall"), rows["part", "idle"])
    finally:
        ending.set()
        server.join()


def test_the_books_are_read_before_the_journal(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that ends meanwhile is in neither `open` nor the journal, or in both."""
    read: list[str] = []
    plain = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path.name)
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    state_files.read(here.state / "server")
    assert read == ["ledger.json", "step-model.json", Path(ENTRY).name, "in-flight.slots"]


def test_a_file_that_is_just_written_into_is_waited_for(here: Settings) -> None:
    prices = here.repo / "server" / "prices.yaml"
    whole = b"prices: {}\n# " + b"x" * 5000 + b"\n"

    def write() -> None:
        with prices.open("wb", buffering=0) as file:
            for at in range(0, len(whole), 500):
                file.write(whole[at : at + 500])
                ending.wait(0.03)

    ending = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    path = made(here)
    writer.join()
    assert archive.read(Path(path)).given["prices.yaml"] == whole
