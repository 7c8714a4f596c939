"""The first step of an alert's runbook, read from the chapter in docs/runbooks/."""

import re
from pathlib import Path

_LINK = re.compile(r"/runbooks/([a-z0-9_-]+)#([a-z0-9_-]+)$")
_HEADING = re.compile(r"^## +(.+?)\s*$", re.M)
_ITEM = re.compile(r"^(\d+)\. +", re.M)
_LOOKS = "**First looks:**"


def place(url: str) -> tuple[str, str]:
    """Chapter and anchor of a `runbook_url`; two empty strings for any other link."""
    found = _LINK.search(url)
    return (found.group(1), found.group(2)) if found else ("", "")


def section(chapter: str, anchor: str) -> str:
    """The text under the heading of this anchor, without the heading."""
    headings = list(_HEADING.finditer(chapter))
    for position, heading in enumerate(headings):
        if heading.group(1).strip("`").lower() == anchor:
            after = headings[position + 1].start() if position + 1 < len(headings) else None
            return chapter[heading.end() : after]
    return ""


def first_item(text: str) -> list[str]:
    """The lines of the first numbered item behind `First looks`, without its number."""
    _, found, looks = text.partition(_LOOKS)
    looks = re.split(r"^\*\*[A-Z]", looks, maxsplit=1, flags=re.M)[0] if found else ""
    items = list(_ITEM.finditer(looks))
    if not items:
        return []
    end = items[1].start() if len(items) > 1 else None
    lines = looks[items[0].end() : end].strip("\n").splitlines()
    return [line.removeprefix("   ").rstrip() for line in lines if line.strip()]


def first_look(repo: Path, url: str) -> list[str]:
    """The first thing to look at, as lines; empty where the runbook says nothing."""
    chapter, anchor = place(url)
    file = repo / "docs" / "runbooks" / f"{chapter}.md"
    if not chapter or not file.is_file():
        return []
    return first_item(section(file.read_text(encoding="utf-8"), anchor))
