"""What the last `make up` started, kept beside its sockets for the commands that come after."""

import json
from collections.abc import Mapping
from pathlib import Path

from stack.settings import Settings


def _file(settings: Settings) -> Path:
    return settings.run / "up.json"


def remembered(settings: Settings) -> dict[str, str]:
    """Way, model, args and stores of what was started; empty when nothing was."""
    memo = _file(settings)
    return dict(json.loads(memo.read_text())) if memo.exists() else {}


def remember(settings: Settings, what: Mapping[str, str]) -> None:
    """Keep it until `forget`."""
    _file(settings).write_text(json.dumps(dict(what)))


def forget(settings: Settings) -> None:
    """Nothing runs any more."""
    _file(settings).unlink(missing_ok=True)
