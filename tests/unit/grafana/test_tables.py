"""Tables, logs and traces as Grafana 12.2 lays them out: what matters stands within the panel.

The pixels are those of Grafana's sources: grid and page (`public/app/core/constants.ts`,
`DashboardEditPaneSplitter.tsx`), panel (`PanelChrome.tsx`, `createComponents.ts`), table
(`grafana-ui/src/components/Table/TableNG`). The letters' widths are Inter's, measured.
"""

from typing import NamedTuple

import pytest

from grafana.dashboards import tables
from grafana.pictures import board
from grafana.pictures.board import Board, Panel

BOARDS = board.load()
TABLES = [(one, panel) for one in BOARDS for panel in one.panels if panel.kind == "table"]
EACH = pytest.mark.parametrize(
    ("one", "panel"), TABLES, ids=[f"{one.uid} {panel.title}" for one, panel in TABLES]
)

SCROLL_BAR = 15
NARROW, WIDE = (window - SCROLL_BAR - 2 * 16 for window in (1600, 1920))
"""The page in a window of so many pixels, with the side menu folded."""
SIDE_MENU = 300
"""What it takes of the page where it is docked, as it is until a reader folds it."""
GAP, EDGES, HEADING, PANEL_TITLE, ROW, CELL, ARROW = 8, 2 * 8 + 2, 28, 32, 36, 13, 22
WHOLE_ID = CELL + 273
"""95 of 100 random ids of 32 hexadecimal digits are narrower."""
SMALL = dict(zip("abcdefghijklmnopqrstuvwxyz ", (
    562, 612, 571, 612, 583, 370, 613, 591, 242, 242, 549, 242, 876, 591,
    600, 612, 612, 376, 528, 327, 591, 562, 818, 546, 562, 552, 281), strict=True))  # fmt: skip
"""Advances of letters in thousandths; a capital letter is counted as 770, more than most are."""


class Place(NamedTuple):
    """A heading and what its column has: pixels, and whether it takes what room is left."""

    heading: str
    pixels: int
    grows: bool


def columns(panel: Panel) -> list[Place]:
    organized = next(s for s in panel.raw["transformations"] if s["id"] == "organize")["options"]
    found = []
    for name in sorted(organized["indexByName"], key=organized["indexByName"].__getitem__):
        heading = organized["renameByName"][name]
        field = panel.field(heading)
        pixels = field.get("custom.width") or field.get("custom.minWidth", 150)
        found.append(Place(heading, pixels, "custom.width" not in field))
    return found


def inside(panel: Panel, page: int = NARROW) -> float:
    _, _, width, height = panel.grid
    room = (page + GAP) / 24 * width - GAP - EDGES
    return room - (SCROLL_BAR if rows(height) < most_rows(panel) else 0)


def rows(height: int) -> int:
    inner = height * (30 + GAP) - GAP - PANEL_TITLE - EDGES
    return int((inner - HEADING) // ROW)


def most_rows(panel: Panel) -> float:
    limits = [
        s["options"]["limitField"] for s in panel.raw["transformations"] if s["id"] == "limit"
    ]
    return limits[0] if limits else float("inf")


def words(text: str) -> float:
    return sum(SMALL.get(letter, 770) * 0.014 * 1.014 + 0.15 for letter in text)


def drawn(panel: Panel, page: int) -> list[float]:
    """The widths that Grafana gives: what is left is shared evenly, whoever needs how much."""
    placed = columns(panel)
    growing = sum(column.grows for column in placed)
    left = inside(panel, page) - sum(column.pixels for column in placed if not column.grows)
    return [max(c.pixels, left / growing) if c.grows else c.pixels for c in placed]


@EACH
@pytest.mark.parametrize("page", [NARROW, WIDE])
def test_no_table_is_scrolled_sideways(one: Board, panel: Panel, page: int) -> None:
    assert sum(drawn(panel, page)) <= inside(panel, page) + 0.01


@EACH
def test_each_column_has_a_width_and_some_text_takes_what_is_left(one: Board, panel: Panel) -> None:
    assert {column.heading for column in columns(panel)} <= set(tables.WIDTHS)
    growing = {column.heading for column in columns(panel) if column.grows}
    assert growing
    assert growing <= tables.GROWING


@EACH
def test_no_heading_is_cut(one: Board, panel: Panel) -> None:
    sorted_by = {key["displayName"] for key in panel.options["sortBy"]}
    for column in columns(panel):
        arrow = ARROW if column.heading in sorted_by else 0
        assert column.pixels >= CELL + words(column.heading) + arrow, column.heading


@EACH
def test_an_id_stands_whole(one: Board, panel: Panel) -> None:
    for column in columns(panel):
        assert column.heading != "Trace" or column.pixels >= WHOLE_ID


@EACH
def test_a_ranking_shows_all_its_ten_rows(one: Board, panel: Panel) -> None:
    if most_rows(panel) == 10:
        assert rows(panel.grid[3]) >= 10


def test_the_old_height_showed_seven_rows() -> None:
    assert rows(9) == 7


@EACH
def test_beside_an_open_menu_what_matters_most_stands_within(one: Board, panel: Panel) -> None:
    page, end, seen = NARROW - SIDE_MENU, 0.0, set()
    for column, pixels in zip(columns(panel), drawn(panel, page), strict=True):
        end += pixels
        seen |= {column.heading} if end <= inside(panel, page) + 0.01 else set()
    most = {"Alert", "Severity", "Objective", "Left", "Burn rate", "List", "Trace", "Outcome"}
    assert most & {column.heading for column in columns(panel)} <= seen


@EACH
def test_an_empty_table_says_why_and_an_empty_cell_says_nothing(one: Board, panel: Panel) -> None:
    # Grafana prints a panel's noValue in each empty cell of a table that has rows.
    assert panel.defaults["noValue"]
    assert all(panel.field(column.heading)["noValue"] == "" for column in columns(panel))


def test_panels_side_by_side_end_in_one_line() -> None:
    for one in BOARDS:
        for panel in one.panels:
            beside = [p for p in one.panels if p.grid[1] == panel.grid[1]]
            assert len({p.grid[3] for p in beside}) == 1, (one.uid, panel.title)
