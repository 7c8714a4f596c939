"""A picture says what is out of sight in Grafana: names, columns, rows, spans, closed rows."""

from collections.abc import Iterator
from typing import Any

import pytest

from grafana.pictures import chart, evaluate, geometry, grid, layout, lines, picture
from grafana.pictures.board import Board, Json, Panel
from grafana.pictures.canvas import Box, Canvas
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Data, Line, Series, Span
from grafana.pictures.stores import Stores
from stack.stores.protocol import Window
from tests.unit.picture_stores import NOW, answering

BOX = Box(0, 0, 499, 246)
SOURCE = {"type": "prometheus", "uid": "prometheus"}


def panel(kind: str, y: int = 0, **more: Any) -> Json:
    place = {"x": 0, "y": y, "w": 24, "h": 8}
    target = {"refId": "A", "datasource": SOURCE, "expr": "up", "legendFormat": "{{job}}"}
    config = {"defaults": {"unit": "s", "noValue": "none"}, "overrides": []}
    found = {"type": kind, "title": f"{kind} {y}", "gridPos": place, "targets": [target]}
    return {**found, "fieldConfig": config, **more}


def board(*panels: Json) -> Board:
    start = {"from": "now-30m"}
    return Board({"uid": "b", "title": "B", "time": start, "panels": list(panels)})


def row(y: int, *held: Json) -> Json:
    place = {"x": 0, "y": y, "w": 24, "h": 1}
    head = {"type": "row", "title": "Offload", "gridPos": place, "collapsed": True}
    return {**head, "panels": list(held)}


def page() -> Page:
    return Page(board(), Window(NOW - 1800, NOW), {})


def words(canvas: Canvas) -> list[str]:
    return [text.get_text() for text in canvas._layer.texts]


def answer(raw: Json, **data: Any) -> Answer:
    return Answer(Panel(raw), Data(**data))


def series(name: str, *values: float) -> Series:
    points = [(NOW - 60 + 15 * index, value) for index, value in enumerate(values)]
    return Series(name, {}, points, values[-1] if values else float("nan"), "A")


def drawn(raw: Json, *shown: Series) -> Canvas:
    canvas = Canvas(600, 300)
    chart.draw(canvas, BOX, answer(raw, series=list(shown)), page())
    return canvas


def test_a_legend_that_is_cut_says_how_many_names_are_below() -> None:
    names = [f"a-rather-long-name-of-tenant-{number}" for number in range(9)]
    seen = words(drawn(panel("timeseries"), *(series(name, 1.0) for name in names)))
    assert sum(word.startswith("a-rather") for word in seen) == 6
    assert "3 more names: scroll" in seen


def test_a_legend_names_what_is_only_nan_and_prints_calculations_as_grafana_does() -> None:
    raw = panel("timeseries", options={"legend": {"calcs": ["lastNotNull"]}})
    seen = words(drawn(raw, series("a", 1.0), series("other")))
    assert seen == ["a  Last *: 1 s", "other  Last *: NaN"]


def test_a_legend_leaves_out_what_is_hidden_from_it() -> None:
    raw = panel("timeseries")
    hide = {"id": "custom.hideFrom", "value": {"legend": True}}
    by_ref = {"matcher": {"id": "byFrameRefID", "options": "A"}, "properties": [hide]}
    raw["fieldConfig"]["overrides"] = [by_ref]
    assert words(drawn(raw, series("limit", 1.0))) == []


def limited(logarithmic: bool) -> tuple[float, float]:
    raw = panel("timeseries")
    kind = {"type": "log", "log": 10} if logarithmic else {"type": "linear"}
    custom = {"scaleDistribution": kind, "axisSoftMax": 60.0}
    raw["fieldConfig"]["defaults"].update(custom=custom, min=0)
    axes = drawn(raw, series("p95", 0.2, 0.5)).figure.axes[-1]
    low, high = axes.get_ylim()
    return low, high


def test_only_a_linear_axis_goes_to_its_soft_maximum() -> None:
    assert limited(logarithmic=False) == (0, 60)
    assert limited(logarithmic=True) == pytest.approx((0.1, 1.0))


def test_an_axis_of_zeros_goes_to_100() -> None:
    axes = drawn(panel("timeseries"), series("a", 0.0, 0.0)).figure.axes[-1]
    assert axes.get_ylim() == (0, 100)


def test_a_table_says_what_is_below_and_to_the_right() -> None:
    rows = [{"Trace": "0af7651916cd43dd8448eb211c80319c", "Tenant": "acme", "Model": "m"}] * 9
    raw, canvas = panel("table", options={}), Canvas(600, 300)
    wide = {"id": "custom.width", "value": 270}
    matcher = {"id": "byName", "options": "Trace"}
    raw["fieldConfig"]["overrides"] = [{"matcher": matcher, "properties": [wide]}]
    grid.table(canvas, BOX, answer(raw, rows=rows), page())
    seen = words(canvas)
    assert "scroll: 3 rows below, 1 columns to the right" in seen
    assert seen.count("acme") == 6
    assert any(word.startswith("0af76519") and word.endswith("…") for word in seen)


def test_a_time_in_a_table_is_milliseconds_whichever_store_it_is_of() -> None:
    # An alert's "Since" is a number of Prometheus's, which no one but the panel knows to be a time.
    raw, canvas = panel("table", options={}), Canvas(600, 300)
    raw["fieldConfig"]["defaults"]["unit"] = "dateTimeAsIso"
    noon = 1_782_907_200.0
    grid.table(canvas, BOX, answer(raw, rows=[{"Since": 1000 * noon}]), page())
    assert "12:00:00" in words(canvas)


def test_log_lines_are_wrapped_only_where_the_panel_wraps() -> None:
    found = [Line(NOW, "word " * 30)] * 12
    for wrap, records in ((True, 2), (False, 12)):
        raw, canvas = (
            panel("logs", options={"wrapLogMessage": wrap, "showTime": True}),
            Canvas(9, 9),
        )
        lines.log_lines(canvas, BOX, answer(raw, lines=found), page())
        seen = words(canvas)
        assert sum(word.startswith("20") for word in seen) == records
        assert any(word.endswith("records below") for word in seen) is wrap


@pytest.mark.parametrize(("height", "below"), [(9, "5 spans below"), (16, "")])
def test_a_trace_shows_the_spans_that_fit_below_its_head(height: int, below: str) -> None:
    spans = [Span("POST /v1", 0, 0.0, 4.0), *(Span(f"s{n}", 1, n, 1.0) for n in range(5))]
    canvas = Canvas(800, 600)
    inside = Box(0, 0, *geometry.Grid(0, 0, 12, height).inside(geometry.NARROW))
    lines.trace(canvas, inside, answer(panel("traces"), spans=spans), page())
    assert [word for word in words(canvas) if word.endswith("below")] == [below] * bool(below)


@pytest.fixture
def stores() -> Iterator[Stores]:
    with answering() as found:
        yield found


FOLDED = (panel("timeseries", 0), row(8, panel("stat", 9), panel("heatmap", 17)), row(9))


def test_a_closed_row_shows_its_heading_with_a_count_and_asks_nothing(stores: Stores) -> None:
    asked = evaluate.page(stores, board(*FOLDED), NOW, {})
    assert [one.panel.kind for one in asked.answers] == ["timeseries"]
    canvas = picture.draw(asked)
    assert {"Offload", "(2 panels)"} <= set(words(canvas))
    assert canvas.height == picture.HEAD + 10 * 38 - 8 + 16


def test_an_opened_row_pushes_down_what_follows() -> None:
    found = layout.places(board(*FOLDED), opened=True)
    where = [(one.panel.kind, one.grid.y) for one in found]
    assert where == [("timeseries", 0), ("row", 8), ("stat", 9), ("heatmap", 17), ("row", 25)]
    closed = [(one.panel.kind, one.grid.y) for one in layout.places(board(*FOLDED))]
    assert closed == [("timeseries", 0), ("row", 8), ("row", 9)]


def test_a_boards_panels_are_those_in_closed_rows_too() -> None:
    assert [one.kind for one in board(*FOLDED).panels] == ["timeseries", "stat", "heatmap"]


def test_an_open_row_is_drawn(stores: Stores) -> None:
    raw = panel("stat", 9, options={"graphMode": "none", "reduceOptions": {"calcs": ["last"]}})
    raw["fieldConfig"]["defaults"]["thresholds"] = {"steps": [{"value": None, "color": "text"}]}
    asked = evaluate.page(stores, board(row(0, raw)), NOW, {}, opened=True)
    seen = words(picture.draw(asked, geometry.WIDE))
    assert "stat 9" in seen
    assert "(1 panels)" not in seen


def test_a_mark_lasts_as_long_as_its_samples(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [NOW - 600, NOW - 585, NOW - 570, NOW - 300]
    fires = {"metric": {"alertname": "A"}, "values": [[at, "1"] for at in times]}
    monkeypatch.setattr(Stores, "prometheus_range", lambda *_: [fires])
    one = board(panel("timeseries"))
    mark = {"datasource": SOURCE, "expr": "ALERTS", "iconColor": "red", "step": "15s"}
    one.raw["annotations"] = {"list": [{**mark, "titleFormat": "{{alertname}}"}]}
    marks = evaluate.page(stores, one, NOW, {}).marks
    assert [(m.start, m.end, m.words) for m in marks] == [
        (NOW - 600, NOW - 570, "A"),
        (NOW - 300, NOW - 300, "A"),
    ]


def test_a_trace_panel_says_what_grafana_says_whatever_it_is_told() -> None:
    one = board(panel("traces", options={}))
    asked = Page(one, Window(NOW - 1800, NOW), {})
    asked.answers = [Answer(one.panels[0])]
    assert "No data found in response" in words(picture.draw(asked))
