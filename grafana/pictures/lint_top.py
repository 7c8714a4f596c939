"""What stands at the top of a page or lies over all of its panels: links and marks."""

from collections.abc import Iterator

from grafana.pictures.board import Board, Json

LOAD_BOARD = "llm-loadtest"


def faults(board: Board) -> Iterator[str]:
    """Yield what of a board's links and marks is in the way, or leads nowhere."""
    links = board.raw.get("links", [])
    if sum(str(link.get("url") or "").startswith("/d/") for link in links) > 1:
        yield "a link for each board takes rows of the page: one menu of boards"
    for link in links:
        yield from _menu(link, board.raw.get("tags", []))
    for mark in board.annotations if board.uid != LOAD_BOARD else []:
        if "loadtest_" in str(mark.get("expr")) and mark.get("enable", True):
            yield f"mark {mark['name']} shades every panel for the length of a run: off"


def _menu(link: Json, tags: list[str]) -> Iterator[str]:
    menu = link.get("type") == "dashboards"
    leads = menu or str(link.get("url") or "").startswith("/d/")
    if leads and not (link.get("keepTime") and link.get("includeVars")):
        yield f"link {link['title']} loses the time or the variables"
    if menu and not (link.get("tags") and set(link["tags"]) <= set(tags)):
        yield f"link {link['title']} leads to no board"
    if menu and not link.get("asDropdown"):
        yield f"link {link['title']} is a row of links: as a dropdown"
