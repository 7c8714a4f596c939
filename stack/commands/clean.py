"""`make clean`: asks, then deletes what runs have left: state, volumes, or both."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import Fault
from stack.native import turn
from stack.say import say
from stack.settings import Settings
from stack.upkeep import leavings, places, state_files, volumes
from stack.upkeep.leavings import Leavings

YES = "yes"


def _show(found: Leavings) -> None:
    say("to be deleted for good:")
    for path in found.folders:
        link = " (a link: what it leads to stays)" if path.is_symlink() else ""
        say(f"  {path}  {leavings.size(path)}  {leavings.about(path.name)}{link}")
    for name, volume in found.volumes.items():
        say(f"  volume {volume}  {leavings.about(name)}")
    _show_stays(found)


def _show_stays(found: Leavings) -> None:
    for what in found.stays:
        say(f"  stays: {what}")


def _confirm() -> None:
    """Raise Fault unless somebody types yes, or CONFIRM=yes stands in the environment."""
    # Of the environment alone: a line in .env would be a yes to every time.
    if os.environ.get("CONFIRM") == YES:
        return
    if not sys.stdin.isatty():
        raise Fault("nobody is here to say yes, nothing was deleted", f"CONFIRM={YES} make clean")
    try:
        said = input(f"Type {YES} to delete all of it: ")
    except EOFError:
        said = ""
    if said.strip() != YES:
        raise Fault("nothing was deleted")


@contextmanager
def _no_server(folders: tuple[Path, ...]) -> Iterator[None]:
    """A server may have been started by hand on the folder that is the server's."""
    folder = next((path for path in folders if path.name == "server"), None)
    if folder is None or not folder.is_dir():
        yield
        return
    try:
        with state_files.locked(folder):
            yield
    except state_files.BusyError as busy:
        raise Fault(f"a server uses {folder}", "stop it, then try again") from busy


def clean(settings: Settings) -> int:
    """Delete folders of the state and volumes, after a yes; raises Fault while the stack is up."""
    mode = settings.values.get("MODE", "")
    if mode not in ("", "native", "compose"):
        raise Fault(f"MODE={mode} is unknown", "use MODE=compose or MODE=native")
    with turn.taken(settings, "clean"):
        places.refuse_while_up(settings, "clean")
        found = leavings.find(settings)
        if not found.folders and not found.volumes:
            say("nothing to delete")
            _show_stays(found)
            return 0
        _show(found)
        _confirm()
        with _no_server(found.folders):
            for path in found.folders:
                leavings.delete(path)
        if found.volumes:
            volumes.remove(list(found.volumes.values()))
    say("deleted")
    return 0
