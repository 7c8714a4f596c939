"""What the last `make up` started, kept beside its sockets for the commands that come after."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from stack.settings import Settings


def _file(settings: Settings) -> Path:
    return settings.run / "up.json"


def remembered(settings: Settings) -> dict[str, str]:
    """Way, model, args and stores of what was started; empty when nothing was, or it is torn."""
    try:
        found = json.loads(_file(settings).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(settings: Settings, what: Mapping[str, str]) -> None:
    """Keep it until `forget`."""
    beside = _file(settings).with_suffix(".new")
    _remove(beside)
    beside.write_text(json.dumps(dict(what)))
    if _file(settings).is_dir():
        _remove(_file(settings))
    beside.replace(_file(settings))


def forget(settings: Settings) -> None:
    """Nothing runs any more."""
    _remove(_file(settings))


def _remove(path: Path) -> None:
    # A volume that is mounted where there is no file makes a folder of it.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
