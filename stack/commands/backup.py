"""`make backup`: what money depends on, in one file, whether the server runs or not."""

from pathlib import Path

from stack.say import say
from stack.settings import Settings
from stack.upkeep import archive, given, money, places

FOLDER = "backups"


def folder(settings: Settings) -> Path:
    """Where backups are written: TO, else a folder that git leaves alone."""
    return settings.repo / (settings.values.get("TO") or FOLDER)


def backup(settings: Settings) -> int:
    """Write a backup into TO and read it back; raises Fault where there is nothing to keep."""
    place = places.find(settings)
    state = place.read()
    money.check(state, place.words)
    files = given.read(settings)
    made = archive.Backup(archive.now(), place.way, state, files)
    path = archive.write(made, folder(settings), "backup")
    say(f"{path}  {path.stat().st_size:,} bytes, read back and verified")
    say(f"  of {place.words}: {money.summary(state)}")
    say(f"  with {', '.join(str(given.path(settings, name)) for name in files)}")
    say("  traces, logs and metrics are not in it; keep it on another disk")
    return 0
