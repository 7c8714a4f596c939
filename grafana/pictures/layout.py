"""Which panels of a board stand where, its collapsed rows closed or opened."""

from dataclasses import dataclass

from grafana.pictures.board import Board, Panel, unfolded
from grafana.pictures.geometry import Grid


@dataclass(frozen=True)
class Place:
    """A panel or a row's heading, and where it stands."""

    panel: Panel
    grid: Grid


def places(board: Board, *, opened: bool = False) -> list[Place]:
    """Return all that stands on the page; what a closed row holds does not stand on it."""
    entries = unfolded(board.raw["panels"]) if opened else board.raw["panels"]
    panels = (Panel(raw) for raw in entries)
    return [Place(panel, Grid(*panel.grid)) for panel in panels]
