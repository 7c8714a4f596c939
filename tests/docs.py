"""The blocks of a page in docs/ that tests run, so that page and test cannot part."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
_BLOCK = re.compile(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", re.S)
_ASSIGNED = re.compile(r"([A-Z_]+)=(.*)", re.S)


def blocks(page: str) -> dict[str, str]:
    """Every block of the page that is to be run, by its name."""
    found = _BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert len(dict(found)) == len(found)
    return dict(found)


def block(page: str, name: str, instead: Mapping[str, str] | None = None) -> str:
    """A block with other words in the place of its own; each must stand in it."""
    text = blocks(page)[name]
    for ours, theirs in (instead or {}).items():
        assert ours in text, f"{page}, {name}: no {ours}"
        text = text.replace(ours, theirs)
    return text


def command(text: str) -> tuple[dict[str, str], list[str]]:
    """The variables of a line of shell, before the command or behind it, and its other words."""
    words = shlex.split(text)
    pairs = [match for word in words if (match := _ASSIGNED.fullmatch(word))]
    rest = [word for word in words if not _ASSIGNED.fullmatch(word)]
    return {match[1]: match[2] for match in pairs}, rest
