"""One part's program as native/supervisord.conf has it: its command and its environment."""

import re
import shlex
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from stack.settings import Settings

_VARIABLE = re.compile(r"%\(ENV_(\w+)\)s")
_SETTING = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Program:
    """What supervisord would run."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def variables_of(pid: int) -> dict[str, str]:
    """The environment with which a process was started."""
    raw = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    pairs = (item.decode(errors="surrogateescape").partition("=") for item in raw if item)
    return {key: value for key, _, value in pairs}


def program(settings: Settings, name: str, variables: Mapping[str, str]) -> Program:
    """The program of a part; `variables` is the environment of supervisord."""
    config = RawConfigParser(inline_comment_prefixes=(" ;", "\t;"))
    config.read(settings.repo / "native" / "supervisord.conf")
    section = config[f"program:{name}"]

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda match: variables[match.group(1)], text)

    given = _SETTING.findall(filled(section.get("environment", "")))
    return Program(tuple(shlex.split(filled(section["command"]))), {**variables, **dict(given)})
