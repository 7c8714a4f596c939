"""Collapsed rows: nested as Grafana saves them, seen by lint and pictures as a click opens them."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from grafana.dashboards import engine
from grafana.pictures import board, evaluate, excuses, lint
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.evaluate import Answer
from grafana.pictures.frames import Data
from server.catalogue import BY_SERIES
from server.catalogue.promql import selectors
from server.catalogue.vllm_left_out import LEFT_OUT
from stack.stores.protocol import Window
from tests.unit.picture_stores import NOW

BOARDS = board.load()
(USE,) = (one for one in BOARDS if one.uid == "llm-use")
FOLDED = [raw for raw in USE.raw["panels"] if raw.get("collapsed")]
INSIDE = [Panel(raw) for row in FOLDED for raw in row["panels"]]


def test_a_folded_board_is_as_long_as_its_headings() -> None:
    first = FOLDED[0]["gridPos"]["y"]
    assert [row["gridPos"]["y"] for row in FOLDED] == [*range(first, first + len(FOLDED))]
    assert all(row["panels"][0]["gridPos"]["y"] == row["gridPos"]["y"] + 1 for row in FOLDED)
    assert USE.raw["panels"][-1] is FOLDED[-1], "what is always there stands above"


def test_opened_rows_push_down_what_follows() -> None:
    bottom = 0
    for entry in [*USE.rows, *USE.panels]:
        bottom = max(bottom, entry.grid[1] + entry.grid[3])
    heights = [max(p["gridPos"]["h"] + p["gridPos"]["y"] for p in row["panels"]) for row in FOLDED]
    opened = sum(h - row["gridPos"]["y"] - 1 for h, row in zip(heights, FOLDED, strict=True))
    assert bottom == FOLDED[-1]["gridPos"]["y"] + 1 + opened
    assert {panel.title for panel in INSIDE} <= {panel.title for panel in USE.panels}
    assert lint.faults(BOARDS) == []


Spoil = Callable[[Json], Any]
SPOILED: list[tuple[str, Spoil]] = [
    ("row LoRA adapters$no_adapters: 15 panels", lambda row: row["panels"].extend(_fifteen(row))),
    ("an open one holds none", lambda row: row.update(collapsed=False)),
    ("an open one holds none", lambda row: row.update(panels=[])),
    ("variable $gone", lambda row: row.update(title="LoRA $gone")),
    ("has an open bracket", lambda row: row["panels"][0]["targets"][0].update(expr="sum(up")),
    ("used twice", lambda row: row["panels"][0].update(id=1)),
]


def _fifteen(row: Json) -> list[Json]:
    return [copy.deepcopy(row["panels"][0]) for _ in range(14)]


@pytest.mark.parametrize(("fault", "spoil"), SPOILED)
def test_lint_finds_the_faults_of_a_collapsed_row(fault: str, spoil: Spoil) -> None:
    raw = copy.deepcopy(USE.raw)
    spoil(next(one for one in raw["panels"] if one["title"].startswith("LoRA")))
    found = lint.faults([Board(raw), *(one for one in BOARDS if one.uid != "llm-use")])
    assert any(fault in line for line in found), found


def test_what_is_collapsed_counts_for_no_board() -> None:
    assert len(USE.panels) > lint.MOST_PANELS
    raw = copy.deepcopy(USE.raw)
    for row in raw["panels"]:
        row["collapsed"] = False
    shown = [one for one in USE.raw["panels"] if one["type"] != "row"]
    assert len(shown) <= lint.MOST_PANELS


@pytest.mark.parametrize("panel", INSIDE, ids=lambda panel: panel.title)
def test_a_panel_whose_metrics_a_server_may_lack_says_so(panel: Panel) -> None:
    series = [s.name for t in panel.targets for s in selectors(t.get("expr", ""))]
    if not series or not all(BY_SERIES[name].absent for name in series):
        assert not any(BY_SERIES[name].absent for name in series), "half of it would be excused"
        return
    assert re.match(r"no |not ", panel.defaults["noValue"])
    assert excuses.excuse(_Without(), panel, Window(0, 1))  # type: ignore[arg-type]
    assert not excuses.excuse(_With(series[0]), panel, Window(0, 1))  # type: ignore[arg-type]


class _Without:
    """A Prometheus that has no metric by any such name."""

    name = "none"

    def prometheus_instant(self, query: str, _window: Window) -> list[Json]:
        match = re.fullmatch(r'count\({__name__=~"(.+)"}\)', query)
        assert match
        return [{"value": [NOW, "1"]}] if re.fullmatch(match[1], self.name) else []


class _With(_Without):
    """One that has a metric of that name, and no other."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_a_heading_says_what_the_servers_lack() -> None:
    told = {v["name"]: v for v in USE.variables if v["name"] in engine.ABSENT}
    titles = " ".join(row["title"] for row in FOLDED)
    assert all(f"${name}" in titles for name in engine.ABSENT)
    for name, variable in told.items():
        assert variable["hide"] == 2 and variable["skipUrlSync"]
        assert all(sign in variable["query"] for sign in engine.ABSENT[name].split())
        assert re.search(r'absent\(.+\), "le", ": none on this server"', variable["query"])
    assert told.keys() == engine.ABSENT.keys()


def test_the_heading_of_transfers_asks_for_each_connector_that_its_panels_read() -> None:
    (row,) = (one for one in FOLDED if one["title"].startswith("KV offload"))
    read = {
        selector.name.removeprefix("vllm:").split("_")[0]
        for raw in row["panels"]
        for target in raw["targets"]
        for selector in selectors(target["expr"])
    }
    asked = {name.removeprefix("vllm:").split("_")[0] for name in engine.NO_TRANSFER.split()}
    assert read == asked


def test_the_board_shows_every_metric_that_is_left_out() -> None:
    (note,) = (panel for panel in INSIDE if panel.kind == "text")
    for one in LEFT_OUT:
        assert one.reason in note.words
        assert all(f"`{name}`" in note.words for name in one.names)


def test_a_text_is_data_and_needs_no_query() -> None:
    (note,) = (panel for panel in INSIDE if panel.kind == "text")
    assert not Answer(note, Data(words=note.words)).missing
    raw = copy.deepcopy(USE.raw)
    raw["panels"][-1]["panels"][0]["options"]["content"] = ""
    found = lint.faults([Board(raw), *(one for one in BOARDS if one.uid != "llm-use")])
    assert any("no query" in line for line in found)


def test_the_picture_draws_every_row_open_under_its_heading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from grafana.pictures import picture

    said: list[str] = []
    monkeypatch.setattr(
        picture.Canvas, "text", lambda _self, _x, _y, text, **_style: said.append(text)
    )
    values = dict.fromkeys((v["name"] for v in USE.variables), ".*")
    values |= dict.fromkeys(engine.ABSENT, ": none on this server")
    page = evaluate.Page(USE, Window(NOW - 1800, NOW), values, opened=True)
    page.answers = [Answer(p, Data(words=p.words), excused="no") for p in USE.panels]
    picture.draw(page)
    assert "LoRA adapters: none on this server" in said
    assert said.count("opens with a click") == len(FOLDED)
    assert any("request_queue_time_seconds" in line for line in said)
