"""What `make clients` does: looks where it talks, runs the matrix, shows it and writes the page."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from clients import abilities, page, rows
from clients.cell import Cell
from clients.conversation import Place
from clients.run import Asked, new_run, run
from stack import settings as stack_settings
from stack.errors import Fault
from stack.evidence.commits import commit
from stack.parts.table import CORE
from stack.say import paint, say, title
from stack.settings import Settings

URL = CORE[0].page_url.removesuffix("/v1")
FAILED = 1


def chosen(values: Mapping[str, str], name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names of a variable, all that are known without it; raises Fault for another."""
    given = tuple(filter(None, values.get(name, "").split(",")))
    if strange := [each for each in given if each not in known]:
        raise Fault(f"{name}={strange[0]} is unknown", f"known are {', '.join(known)}", code=2)
    return given or tuple(known)


def _lines(cell: Cell) -> list[str]:
    """What is to be said of a cell that is not simply good."""
    where = f"{cell.client}, {cell.feature}"
    if cell.unasked:
        return [f"- {where}: not asked, {cell.unasked}"]
    return [f"{paint('✗', 'red')} {where}: {fault}" for fault in cell.faults]


def _show(cells: Sequence[Cell]) -> None:
    asked = [cell for cell in cells if not cell.unasked]
    good = sum(not cell.faults for cell in asked)
    title(f"{good} of {len(asked)} cells have record, trace, log, price and the client's usage")
    # Why a whole row or column was not asked is said once for each cell: nothing hides in a sum.
    for line in (line for cell in cells for line in _lines(cell)):
        say(f"  {line}")


def _write(settings: Settings, place: Place, cells: Sequence[Cell]) -> None:
    is_whole = not (settings.values.get("CLIENTS") or settings.values.get("FEATURES"))
    if why := page.unwritten(cells, is_whole):
        say(f"\n  {page.PAGE} stays as it is: {why}")
        return
    versions = {name: rows.versions(name) for name in rows.NAMES}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    vllm = abilities.engine(place)
    told = page.Told(day, commit(settings.repo), vllm, place.model, versions)
    path = settings.repo / page.PAGE
    path.write_text(page.put_into(path.read_text(encoding="utf-8"), page.text(cells, told)))
    say(f"\n  written into {page.PAGE}")


def main(repo: Path) -> int:
    """Run it; 0 when every cell that was asked is as expected; raises Fault."""
    settings = stack_settings.load(repo)
    names = chosen(settings.values, "CLIENTS", rows.NAMES)
    features = chosen(settings.values, "FEATURES", tuple(rows.FEATURES))
    place, has_keys = abilities.find(URL, settings.values.get("API_KEY", ""), new_run())
    title(f"{len(names)} clients on {URL}, {place.model}")
    cells = run(settings, place, Asked(names, features, abilities.lacks(place, has_keys)))
    _show(cells)
    if any(not cell.unasked for cell in cells):
        _write(settings, place, cells)
        return FAILED if any(not cell.as_expected for cell in cells) else 0
    raise Fault("not one cell could be asked", "the reasons stand above")
