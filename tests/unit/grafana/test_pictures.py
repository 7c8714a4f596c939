"""The picture tool: variables and units as Grafana's, stores' answers, what is missing is named."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from grafana.pictures import board, evaluate, excuses, expand, page, shapes, units
from grafana.pictures.__main__ import missing
from grafana.pictures.board import Board
from grafana.pictures.stores import Stores
from stack.stores.protocol import StoreError, Window
from tests.unit.picture_stores import NOW, SPANS, Logs, Traces, answering

REPO = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.00042, "s", "420 µs"),
        (0.25, "s", "250 ms"),
        (95.0, "s", "1.58 mins"),
        (0.0213, "percentunit", "2.13%"),
        (1536.0, "bytes", "1.50 KiB"),
        (2_500_000.0, "ns", "2.50 ms"),
        (100_000.0, "currency:µ$", "µ$100K"),
        (0.000123, "currencyUSD", "$0.000123"),
        (1234.0, "count:tokens/s", "1.23K tokens/s"),
        (3.0, "reqps", "3 req/s"),
        (0.505, "currencyUSD", "$0.505"),
        (10564.0, "s", "2.93 hours"),
        (86400.0, "s", "1 day"),
        (1_000_000.0, "Bps", "1 MB/s"),
        (0.0, "s", "0 s"),
        (float("nan"), "s", "NaN"),
    ],
)
def test_values_are_worded_by_their_unit(value: float, unit: str, words: str) -> None:
    assert units.words(value, unit) == words


def test_a_label_of_an_axis_has_no_zeros_at_its_end() -> None:
    assert units.tick(0.0025, "s") == "2.5 ms"
    assert units.tick(80.0, "s") == "1.33 mins"
    assert units.tick(0.07, "percentunit") == "7%"
    assert units.words(0.1, "currency:µ$") == "µ$0.100"


def test_an_unknown_unit_is_not_known() -> None:
    assert not units.known("furlongs")
    assert all(map(units.known, ("s", "percentunit", "currency:µ$", "count:tokens/s")))


def test_intervals_are_those_that_grafana_computes() -> None:
    half_hour = Window(NOW - 1800, NOW)
    assert expand.step(half_hour, 24) == 5.0  # never below the scrape interval
    assert expand.step(half_hour, 8, "15s") == 15.0
    assert expand.step(Window(NOW - 86400, NOW), 12) == 120.0
    assert expand.macros(half_hour, 5.0)["__rate_interval"] == "20s"
    assert expand.macros(half_hour, 15.0, "15s")["__rate_interval"] == "60s"
    assert expand.macros(half_hour, 120.0)["__rate_interval"] == "125s"
    assert expand.macros(half_hour, 5.0)["__range"] == "1800s"


def test_variables_are_filled_in_and_an_undefined_one_is_an_error() -> None:
    assert expand.fill('up{a=~"$model"}[${__range}]', {"model": ".*", "__range": "5s"}) == (
        'up{a=~".*"}[5s]'
    )
    assert expand.fill('label_replace(up, "a", "$1", "b", "(.*)")', {}).count("$1") == 1
    with pytest.raises(KeyError, match="nobody"):
        expand.fill("up{a=~$nobody}", {})


def test_all_means_the_variables_all_value() -> None:
    boards = board.load()
    assert expand.defaults(boards[0]) == {"model": ".*", "tenant": ".*", "instance": ".*"}
    assert expand.defaults(boards[5])["slow_edge"] == "0"


def test_legend_takes_labels() -> None:
    assert shapes.legend("p95 {{model}} {{ gone }}", {"model": "m"}) == "p95 m"


def test_nan_is_a_gap_and_not_a_point() -> None:
    (one,) = shapes.series([{"metric": {}, "values": [[1, "NaN"], [2, "3"], [3, "+Inf"]]}], "x")
    assert one.points == [(2.0, 3.0)]


def test_a_number_whose_traffic_ended_says_so() -> None:
    from grafana.pictures import shown

    panel = next(p for p in board.load()[0].panels if p.title == "Failed by our fault")
    (series,) = shapes.numbers([{"metric": {}, "value": [2, "NaN"]}], "x")
    assert shown._reduced(series, panel)[1] == "no traffic"
    (series,) = shapes.numbers([{"metric": {}, "value": [1, "0.02"]}], "x")
    assert shown._reduced(series, panel) == (0.02, "2%")


def test_a_forecast_that_is_too_early_says_so_beside_what_is_spent() -> None:
    from grafana.pictures import shown

    (panel,) = (p for p in board.load()[3].panels if p.title == "Spent by the price list")
    names = [target["legendFormat"] for target in panel.targets]
    assert names[::2] == ["today", "this month", "forecast, an estimate", "an hour, at this pace"]
    (series,) = shapes.numbers([{"metric": {}, "value": [1, "NaN"]}], names[4])
    assert shown._reduced(series, panel)[1] == "too early"


def test_an_amount_below_a_cent_is_told_in_microdollars() -> None:
    from grafana.pictures import shown

    (panel,) = (p for p in board.load()[3].panels if p.title == "Spent by the price list")
    dollars, micro = panel.targets[:2]
    assert micro["expr"].startswith("1e6 * (") and micro["expr"].endswith("> 0 < 0.01)")
    assert dollars["expr"].endswith(f"unless {micro['expr'].removeprefix('1e6 * ')}")
    for target, value, words in ((dollars, "0.25", "$0.250"), (micro, "6.9", "µ$6.90")):
        sample = {"metric": {}, "value": [1, value]}
        (series,) = shapes.numbers([sample], target["legendFormat"])
        assert shown._reduced(series, panel)[1] == words


def test_a_fields_settings_are_found_by_name_and_by_pattern() -> None:
    one = {"matcher": {"id": "byName", "options": "a"}, "properties": [{"id": "x", "value": 1}]}
    two = {
        "matcher": {"id": "byRegexp", "options": "/^a/"},
        "properties": [{"id": "y", "value": 2}],
    }
    panel = board.Panel({"type": "stat", "fieldConfig": {"overrides": [one, two]}})
    assert panel.field("a") == {"x": 1, "y": 2}
    assert panel.field("ab") == {"y": 2}
    assert panel.field("b") == {}


def test_exemplars_keep_each_steps_highest() -> None:
    raw = [
        {"timestamp": NOW + i / 10, "value": i, "labels": {"trace_id": str(i)}} for i in range(9)
    ]
    assert [dot.trace_id for dot in shapes.exemplars(raw, 60.0)] == ["8", "2"]
    assert shapes.exemplars([{"timestamp": 1, "value": 2, "labels": {}}], 60.0) == []


def test_merge_and_organize_join_rename_and_drop() -> None:
    rows = shapes.merge([[{"t": "a", "Value #A": 1.0}], [{"t": "a", "Value #B": 2.0}]])
    assert rows == [{"t": "a", "Value #A": 1.0, "Value #B": 2.0}]
    options = {
        "includeByName": {"t": True, "Value #B": True},
        "excludeByName": {},
        "indexByName": {"Value #B": 0, "t": 1},
        "renameByName": {"Value #B": "Dollars"},
    }
    (row,) = shapes.organize(rows, options)
    assert list(row.items()) == [("Dollars", 2.0), ("t", "a")]


def test_a_column_keeps_its_place_where_the_first_row_lacks_it() -> None:
    options = {"excludeByName": {}, "indexByName": {"a": 0, "b": 1, "c": 2}}
    (first, _) = shapes.organize([{"c": 1.0, "a": 2.0}, {"b": "x"}], options)
    assert first == {"a": 2.0, "b": "", "c": 1.0}
    assert list(first) == ["a", "b", "c"]


def test_spans_stand_under_their_parent_by_start() -> None:
    spans = shapes.tree(SPANS)
    assert [(s.name, s.depth, s.seconds) for s in spans] == [
        ("POST /v1", 0, 4.0),
        ("queue", 1, 1.0),
        ("decode", 1, 3.0),
    ]


@pytest.fixture
def stores() -> Iterator[Stores]:
    with answering() as found:
        yield found


def changed(uid: str, title: str, expr: str) -> Board:
    one = next(each for each in board.load() if each.uid == uid)
    panel = next(panel for panel in one.panels if panel.title == title)
    panel.raw["targets"] = [{**panel.raw["targets"][0], "expr": expr}]
    return one


def test_a_panel_without_data_is_named_with_its_query(stores: Stores) -> None:
    asked = evaluate.page(stores, changed("llm-red", "Phases, p95", "silent"), NOW, {})
    (line,) = missing([asked])
    assert line == "LLM serving: RED / Phases, p95: no data\n    silent"


def test_a_refused_query_is_named_with_the_stores_reason(stores: Stores) -> None:
    asked = evaluate.page(stores, changed("llm-red", "Phases, p95", "illegal"), NOW, {})
    (line,) = missing([asked])
    assert "Phases, p95" in line
    assert "refused the query" in line


def test_a_panel_of_the_gpu_is_excused_only_without_one(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    one = changed("llm-use", "GPU temperature", "gpu_silent")
    assert missing([evaluate.page(stores, one, NOW, {})]) == []
    assert "GPU temperature: no GPU on this machine" in capsys.readouterr().out
    (panel,) = (p for p in one.panels if p.title == "GPU temperature")
    panel.raw["targets"][0]["expr"] = "node_silent + gpu_silent"
    assert len(missing([evaluate.page(stores, one, NOW, {})])) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("llm_tenant_budget_silent", "no budgets file"),
        ("llm_watched_tenant_silent", "no tenant is marked watch"),
        ("llm_bill_silent", "no device price"),
        ("llm_bill_silent + llm_cost_silent", ""),
        ("llm_gpu_cost_silent", ""),
    ],
)
def test_what_a_stack_may_lack_is_excused(stores: Stores, name: str, reason: str) -> None:
    asked = evaluate.page(stores, changed("llm-bill", "Ledger error", name), NOW, {})
    (answer,) = (a for a in asked.answers if a.panel.title == "Ledger error")
    assert (answer.excused, answer.missing) == (reason, not reason)


def test_that_no_alert_fires_is_no_fault(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    one = changed("llm-overview", "Firing alerts", "ALERTS_FOR_STATE unless silent")
    assert missing([evaluate.page(stores, one, NOW, {})]) == []
    assert "Firing alerts: no alert fires" in capsys.readouterr().out


def test_a_panel_whose_metrics_are_there_has_no_excuse(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stores, "prometheus_instant", lambda *_: [{"value": [NOW, "1"]}])
    (panel,) = (p for p in board.load()[4].panels if p.title == "Ledger error")
    assert excuses.excuse(stores, panel, Window(0, 1)) == ""


def test_the_number_of_a_table_with_one_query_has_no_letter(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    fires = {"metric": {"alertname": "TargetDown"}, "value": [NOW, str(1000 * NOW)]}
    monkeypatch.setattr(Stores, "prometheus_instant", lambda *_: [fires])
    asked = evaluate.page(stores, board.load()[0], NOW, {})
    (answer,) = (a for a in asked.answers if a.panel.title == "Firing alerts")
    (row,) = answer.data.rows
    assert {"Alert", "Since"} <= row.keys()


def test_a_page_may_be_of_any_length(stores: Stores) -> None:
    one = board.load()[0]
    assert evaluate.page(stores, one, NOW, {}).window == Window(NOW - 1800, NOW)
    day = evaluate.page(stores, one, NOW, {}, 86400)
    assert day.window == Window(NOW - 86400, NOW)


def test_a_store_that_is_away_says_what_to_do() -> None:
    away = Stores("http://127.0.0.1:9", logs=Logs(), traces=Traces())
    with pytest.raises(StoreError, match="make up"):
        away.prometheus_instant("up", Window(0, 1))


def test_every_board_is_drawn_small_and_into_one_page(stores: Stores, tmp_path: Path) -> None:
    from grafana.pictures import picture

    pages = [evaluate.page(stores, one, NOW, {}) for one in board.load()]
    for one in pages:
        path = tmp_path / page.picture_name(one)
        picture.save(one, path)
        assert path.stat().st_size < 300_000
        assert Image.open(path).width == picture.WIDTH
    html = page.write(pages, tmp_path).read_text()
    assert html.count("data:image/png;base64,") == 8
    assert not re.search(r'(src|href)="(?!#|data:)', html), "the page needs nothing else"
    assert all(answer.panel.title in html for one in pages for answer in one.answers[:1])


def test_lint_alone_needs_no_store() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grafana.pictures", "--lint"],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
