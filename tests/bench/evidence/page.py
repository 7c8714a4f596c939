"""Puts what a run found into a page, between marks of its name."""

import re
from dataclasses import dataclass

from tests.bench.evidence.runs import RUNS, Run

PAGE = "docs/performance.md"
ANCHOR = "<!-- evidence, written by make evidence -->"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Found:
    """How a run ended: status, length, its last lines, and of which day, commit and machine."""

    status: int
    lasted: str
    lines: tuple[str, ...]
    day: str
    commit: str
    machine: str


def block(name: str, run: Run, found: Found) -> str:
    """What the page says of a run, between its marks."""
    ended = "status 0" if found.status == 0 else f"**status {found.status}**"
    plain = [_COLOR.sub("", line).rstrip() for line in found.lines]
    about = f"{found.day}, commit `{found.commit}`, {found.machine}"
    return "\n".join([
        f"<!-- evidence: {name} -->", "",
        f"**{name}**: {run.shows}. `make evidence RUN={name}`", "",
        f"{about}: {ended} after {found.lasted}.", "",
        "```text", f"$ {run.command}", *plain, "```", "",
        f"<!-- end of {name} -->", "",
    ])  # fmt: skip


def put_into(page: str, name: str, text: str) -> str:
    """The page with this block in the place of its elder, else where the order of runs has it.

    Raises ValueError where the page has no place for it.
    """
    begin, end = f"<!-- evidence: {name} -->", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(begin)
    if found:
        return before + text + rest.partition(end)[2]
    if ANCHOR not in page:
        raise ValueError(f"{PAGE} has no {ANCHOR}")
    names = list(RUNS)
    for earlier in reversed(names[: names.index(name)]):
        mark = f"<!-- end of {earlier} -->\n"
        if mark in page:
            return page.replace(mark, f"{mark}\n{text}", 1)
    return page.replace(f"{ANCHOR}\n", f"{ANCHOR}\n\n{text}", 1)
