"""Which panels of a board stand where, its collapsed rows closed or opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.pictures.board import Board, Panel
from grafana.pictures.geometry import Grid


@dataclass(frozen=True)
class Place:
    """A panel or a row's heading, and where it stands."""

    panel: Panel
    grid: Grid


def places(board: Board, *, opened: bool = False) -> list[Place]:
    """Return all that stands on the page; what a closed row holds does not stand on it."""
    found: list[Place] = []
    pushed = 0
    for raw in board.raw["panels"]:
        panel = Panel(raw)
        found.append(Place(panel, _moved(panel, pushed)))
        held = [Panel(one) for one in raw.get("panels", [])]
        if raw.get("collapsed") and opened and held:
            # Grafana puts the first of them below its heading, and pushes down what follows.
            down = found[-1].grid.y + 1 - min(one.grid[1] for one in held)
            inside = [Place(one, _moved(one, down)) for one in held]
            pushed += _bottom(inside) - (found[-1].grid.y + 1)
            found += inside
    return found


def _moved(panel: Panel, down: int) -> Grid:
    x, y, w, h = panel.grid
    return Grid(x, y + down, w, h)


def _bottom(placed: Sequence[Place]) -> int:
    return max(place.grid.y + place.grid.h for place in placed)
