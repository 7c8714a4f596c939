"""A board's JSON, read as Grafana reads it: panels, targets, variables, links."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
GENERATED = Path(__file__).parents[1] / "dashboards/generated"


@dataclass(frozen=True)
class Panel:
    """One panel as it stands in the JSON; what is absent has Grafana's default."""

    raw: Json

    @property
    def title(self) -> str:
        """The title, also its name in messages."""
        return str(self.raw.get("title", ""))

    @property
    def kind(self) -> str:
        """Grafana's panel type."""
        return str(self.raw["type"])

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """x, y, width, height in Grafana's 24-column grid."""
        pos = self.raw["gridPos"]
        return pos.get("x", 0), pos.get("y", 0), pos["w"], pos["h"]

    @property
    def words(self) -> str:
        """What a panel of text says; empty for every other."""
        return str(self.options.get("content", "")) if self.kind == "text" else ""

    @property
    def targets(self) -> list[Json]:
        """The queries."""
        return list(self.raw.get("targets", []))

    @property
    def held(self) -> list["Panel"]:
        """What a closed row holds."""
        return [Panel(raw) for raw in self.raw.get("panels", []) if self.raw.get("collapsed")]

    @property
    def custom(self) -> Json:
        """The settings of the panel's type that every field starts with."""
        return dict(self.defaults.get("custom", {}))

    @property
    def overrides(self) -> list[Json]:
        """The settings of single fields."""
        return list(self.raw.get("fieldConfig", {}).get("overrides", []))

    @property
    def options(self) -> Json:
        """The options of the panel's type."""
        return dict(self.raw.get("options", {}))

    @property
    def defaults(self) -> Json:
        """The field settings that every field starts with."""
        return dict(self.raw.get("fieldConfig", {}).get("defaults", {}))

    def field(self, name: str, asked: str = "") -> Json:
        """The settings of one field by its name and its query's refId, its overrides in order."""
        settings = self.defaults
        for override in self.overrides:
            if _matches(override["matcher"], name, asked):
                settings |= {entry["id"]: entry["value"] for entry in override["properties"]}
        return settings

    def links(self) -> Iterator[str]:
        """Every URL that a value or the panel leads to."""
        for override in self.overrides:
            for entry in override["properties"]:
                if entry["id"] == "links":
                    yield from (link["url"] for link in entry["value"])
        for link in [*self.defaults.get("links", []), *self.raw.get("links", [])]:
            yield link["url"]


def _matches(matcher: Json, name: str, asked: str) -> bool:
    if matcher["id"] == "byRegexp":
        return re.search(str(matcher["options"]).strip("/"), name) is not None
    if matcher["id"] == "byFrameRefID":
        return bool(asked) and matcher["options"] == asked
    return matcher == {"id": "byName", "options": name}


@dataclass(frozen=True)
class Board:
    """One board's JSON."""

    raw: Json

    @property
    def uid(self) -> str:
        """The uid that links name."""
        return str(self.raw["uid"])

    @property
    def title(self) -> str:
        """The title."""
        return str(self.raw["title"])

    @property
    def panels(self) -> list[Panel]:
        """Every panel but the rows, those of collapsed rows where a click puts them."""
        return [Panel(raw) for raw in unfolded(self.raw["panels"]) if raw["type"] != "row"]

    @property
    def rows(self) -> list[Panel]:
        """The headings between the panels."""
        return [Panel(raw) for raw in unfolded(self.raw["panels"]) if raw["type"] == "row"]

    @property
    def variables(self) -> list[Json]:
        """The variables, in the order of the page."""
        return list(self.raw.get("templating", {}).get("list", []))

    @property
    def annotations(self) -> list[Json]:
        """The queries whose answers are marked on every panel."""
        return list(self.raw.get("annotations", {}).get("list", []))

    @property
    def seconds(self) -> int:
        """The length of the time range it opens with; raises ValueError for what is not now-Nm."""
        start = str(self.raw["time"]["from"]).removeprefix("now-")
        return int(start[:-1]) * {"m": 60, "h": 3600, "d": 86400}[start[-1]]


def unfolded(entries: Sequence[Json]) -> Iterator[Json]:
    """The entries of a board with every row open, each row's panels below it as Grafana puts them.

    It moves a row's panels so that the first stands right below the row, and what follows down.
    """
    down = 0
    for entry in entries:
        here = _moved(entry, down)
        yield here
        inside = entry.get("panels") or []
        top = here["gridPos"].get("y", 0) + 1
        lift = top - inside[0]["gridPos"].get("y", 0) if inside else 0
        opened = [_moved(each, lift) for each in inside]
        yield from opened
        ends = [each["gridPos"].get("y", 0) + each["gridPos"]["h"] for each in opened]
        down += max(ends, default=top) - top


def _moved(entry: Json, down: int) -> Json:
    if not down:
        return entry
    return {**entry, "gridPos": {**entry["gridPos"], "y": entry["gridPos"].get("y", 0) + down}}


def load(folder: Path = GENERATED) -> list[Board]:
    """Read every board, in the order of their links; raises FileNotFoundError when none is."""
    boards = [Board(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    if not boards:
        raise FileNotFoundError(f"no board in {folder}: run `python -m grafana.dashboards`")
    order = [link["url"] for link in boards[0].raw.get("links", [])]
    places = {url.removeprefix("/d/"): place for place, url in enumerate(order)}
    return sorted(boards, key=lambda board: places.get(board.uid, len(places)))
