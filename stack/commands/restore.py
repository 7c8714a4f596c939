"""`make restore`: a backup in the places of what is there now, which is kept as a backup too."""

from pathlib import Path

from stack.commands.backup import FOLDER, folder
from stack.errors import Fault
from stack.native import turn
from stack.say import say, visible
from stack.settings import Settings
from stack.upkeep import archive, given, money, places, state_files
from stack.upkeep.archive import Backup
from stack.upkeep.places import Place

_BOOKS = "books"


def _named(settings: Settings) -> Path:
    """The file that FROM names; raises Fault with the newest there is."""
    if named := settings.values.get("FROM", ""):
        return settings.repo / named
    here = sorted(
        (settings.repo / FOLDER).glob(f"*{archive.ENDING}"), key=lambda p: p.stat().st_mtime
    )
    newest = here[-1].relative_to(settings.repo) if here else f"{FOLDER}/backup-..."
    raise Fault("restore from which backup?", f"make restore FROM={newest}")


def _place(settings: Settings, backup: Backup) -> Place:
    place = places.find(settings)
    if place.way != backup.way and not settings.values.get("MODE"):
        said = f"the backup is of the {visible(backup.way)} way, and {place.words} is of the other"
        raise Fault(said, "say where it is to go: MODE=native or MODE=compose")
    return place


def _files(settings: Settings, backup: Backup) -> dict[Path, bytes]:
    """The operator's files that are to be replaced; says of each other why it is not."""
    if settings.values.get("ONLY") == _BOOKS:
        return {}
    wanted: dict[Path, bytes] = {}
    for name, data in backup.given.items():
        here = given.path(settings, name)
        if here is None:
            say(f"  {name}: {given.variable(name)} names no file: it stays in the backup")
        elif not here.exists():
            wanted[here] = data
        elif here.read_bytes() == data:
            say(f"  {here}: the same")
        elif name == given.KEYS:
            say(f"  {here}: differs and stays, or a key that was withdrawn would count again")
        else:
            wanted[here] = data
    return wanted


def _keep(settings: Settings, place: Place) -> bool:
    """What is there becomes a backup, which undoes this; False where there were no books."""
    kept = Backup(archive.now(), place.way, place.read(), given.read(settings, must_be=False))
    if not kept.state:
        say(f"  nothing was in {place.words}")
    path = archive.write(kept, folder(settings), "before-restore")
    had_books = state_files.LEDGER in kept.state
    undo = f"make restore FROM={path} undoes this" if had_books else str(path)
    say(f"  what was there is kept: {undo}")
    return had_books


def _put(place: Place, backup: Backup, files: dict[Path, bytes]) -> None:
    place.put(dict(backup.state))
    say(f"  {place.words}: {money.summary(backup.state)}")
    for here, data in files.items():
        given.replace(here, data)
        say(f"  {here}: put back")
    now = place.read()
    if any(now.get(name) != data for name, data in backup.state.items()):
        raise Fault(f"{place.words} does not read as it was written", "check the disk, try again")


def restore(settings: Settings) -> int:
    """Check the backup that FROM names, keep what is there, then put it back; raises Fault."""
    if settings.values.get("ONLY", "") not in ("", _BOOKS):
        raise Fault(f"ONLY={settings.values['ONLY']} is unknown", f"use ONLY={_BOOKS} or nothing")
    path = _named(settings)
    backup = archive.read(path)
    money.check(backup.state, str(path))
    say(f"{path}  made {visible(backup.made)}, verified")
    with turn.taken(settings, "restore"):
        places.refuse_while_up(settings, "restore FROM=...")
        place = _place(settings, backup)
        files = _files(settings, backup)
        for here in files:
            given.check_writable(here)
        had_books = _keep(settings, place)
        _put(place, backup, files)
    if had_books:
        say("  where the bill's counters fall by this, increase() in Prometheus counts all of it")
        say("  once more at that moment (docs/cost.md, Backup and restore)")
    return 0
