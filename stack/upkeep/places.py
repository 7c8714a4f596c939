"""Where the server's state is (a folder natively, a volume in containers) and who uses it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stack.errors import Fault
from stack.native import orphans, supervisor
from stack.parts import memo
from stack.settings import Settings
from stack.upkeep import state_files, volumes


class Place(Protocol):
    """One server's state, however it is reached."""

    @property
    def way(self) -> str:
        """`native` or `compose`."""

    @property
    def words(self) -> str:
        """Where it is, for people."""

    def read(self) -> dict[str, bytes]:
        """The files by name; raises Fault or OSError."""

    def put(self, files: dict[str, bytes]) -> None:
        """Put files back; raises Fault where a server has the place."""


@dataclass(frozen=True)
class Folder:
    """The server's state as the native way has it."""

    path: Path

    way = "native"

    @property
    def words(self) -> str:
        """Where the state is."""
        return str(self.path)

    def read(self) -> dict[str, bytes]:
        """The files of the state by name, none where there is no folder yet."""
        return state_files.read(self.path)

    def put(self, files: dict[str, bytes]) -> None:
        """Put files back; raises Fault where a server has the folder."""
        try:
            state_files.put(self.path, files)
        except state_files.BusyError as busy:
            raise Fault(f"a server uses {self.path}", "stop it, then try again") from busy


def find(settings: Settings) -> Place:
    """The state of this checkout's server; raises Fault where MODE has to say which is meant."""
    way = settings.values.get("MODE") or memo.remembered(settings).get("way", "")
    if way not in ("", "native", "compose"):
        raise Fault(f"MODE={way} is unknown", "use MODE=compose or MODE=native")
    folder = Folder(settings.state / "server")
    volume = _volume(settings, way)
    if volume and not way and (folder.path / state_files.LEDGER).exists():
        said = f"there is state in {folder.words} and in {volume.words}"
        raise Fault(said, "say which is meant: MODE=native or MODE=compose")
    return volume or folder


def _volume(settings: Settings, way: str) -> volumes.Volume | None:
    if way == "native" or not (volumes.answers() or way == "compose"):
        return None
    volume = volumes.server_state(settings)
    if way == "compose" and not volume:
        said = "there is no volume of the server's state yet"
        raise Fault(said, "`make up MODE=compose && make down` makes it")
    return volume


def refuse_while_up(settings: Settings, command: str) -> None:
    """Raise Fault while anything of the stack runs, or is to come back with Docker's daemon."""
    way = memo.remembered(settings).get("way", "")
    if not way and (supervisor.running(settings) or orphans.find(settings)):
        way = "native"
    if not way and volumes.answers() and volumes.are_used(settings):
        way = "compose"
    if way:
        raise Fault(f"the stack is up ({way})", f"`make down`, then `make {command}`")
