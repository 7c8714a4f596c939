"""Grafana's pixels: what was measured in a browser, and what its source says, comes out."""

import random

import pytest

from grafana.pictures import geometry, inter, scales
from grafana.pictures.geometry import NARROW, WIDE, Grid


@pytest.mark.parametrize(
    ("words", "body", "small"),
    [
        ("list p50 qwen2.5-0.5b", 148.63, 127.84),
        ("server_error: overloaded", 166.84, 143.52),
        ("Log lines of the chosen request", 213.13, 183.34),
        ("2025-11-27 22:55:38", 140.94, 121.22),
    ],
)
def test_words_are_as_wide_as_chromium_draws_inter(words: str, body: float, small: float) -> None:
    assert inter.width(words) == pytest.approx(body, rel=0.01)
    assert inter.width(words, inter.SMALL) == pytest.approx(small, rel=0.01)


def test_a_cut_line_fits_and_says_so() -> None:
    assert inter.cut("tenant", 60) == "tenant"
    kept = inter.cut("a-tenant-with-a-long-name", 60)
    assert kept.endswith("…")
    assert inter.width(kept) <= 60


def test_a_column_of_ids_holds_nearly_every_id() -> None:
    chance = random.Random(7)
    ids = ["".join(chance.choices("0123456789abcdef", k=32)) for _ in range(400)]
    fit = sum(inter.width(one) + geometry.CELL_EDGE <= geometry.ID_COLUMN for one in ids)
    assert 0.93 < fit / len(ids) < 1


def test_panels_lie_in_24_columns_with_gaps() -> None:
    left, right = Grid(0, 0, 12, 9), Grid(12, 0, 12, 9)
    assert left.width(NARROW) == right.width(NARROW) == 780
    assert right.left(NARROW) == pytest.approx(left.left(NARROW) + 780 + 8)
    assert right.left(WIDE) + right.width(WIDE) == pytest.approx(WIDE - 16)
    assert (left.height, Grid(0, 9, 1, 1).top) == (9 * 38 - 8, 9 * 38)
    assert left.inside(NARROW) == (762, 284)


@pytest.mark.parametrize(("names", "height"), [(1, 31.4), (4, 54.8), (8, 78.3), (16, 148.5)])
def test_a_legend_is_as_high_as_chromium_lays_it_out(names: int, height: float) -> None:
    rows = geometry.legend_rows(["list p50 qwen2.5"] * names, 480)
    assert geometry.legend_height(len(rows)) == pytest.approx(height, abs=0.3)


def test_a_legend_gets_a_third_at_most() -> None:
    assert geometry.legend_box(3, 246) == geometry.legend_height(3)
    assert geometry.legend_box(4, 246) == pytest.approx(86.1)
    assert geometry.legend_box(0, 246) == 0


def test_columns_without_a_width_share_what_is_left_but_take_150() -> None:
    free, wide, narrow = {}, {"custom.width": 300}, {"custom.minWidth": 85}
    assert geometry.column_widths([wide, free, free], 700) == [300, 200, 200]
    assert geometry.column_widths([wide, free, free], 500) == [300, 150, 150]
    assert geometry.column_widths([wide, narrow, free], 500) == [300, 100, 150]
    assert geometry.column_widths([wide, narrow], 350) == [300, 85]
    assert geometry.column_widths([wide, wide], 700) == [300, 300]


def test_rows_of_tables_traces_and_logs() -> None:
    assert geometry.table_rows(Grid(0, 0, 12, 9).inside(NARROW)[1]) == 7
    assert geometry.table_rows(Grid(0, 0, 12, 12).inside(NARROW)[1]) == 10
    assert geometry.spans_shown(Grid(0, 0, 12, 9).inside(NARROW)[1]) == 1
    assert geometry.spans_shown(Grid(0, 0, 12, 16).inside(NARROW)[1]) >= 6
    room = geometry.log_room(762, with_time=True)
    one = geometry.log_height(room, room, wrapped=True)
    assert one == geometry.log_height(9 * room, room, wrapped=False)
    assert geometry.log_height(room + 1, room, wrapped=True) == pytest.approx(one + 18.86)


def test_labels_of_buckets_are_halved_only_below_ten_pixels() -> None:
    assert geometry.heatmap_every(17, 200) == 1
    assert geometry.heatmap_every(33, 200) == 2
    assert geometry.heatmap_height(246, with_scale=True) == 198
    assert geometry.heatmap_height(246, with_scale=False) == 246


def test_a_linear_axis_ends_at_its_soft_maximum_until_the_data_pass_it() -> None:
    assert scales.linear(0.2, 200, soft=2.0).high == 2.0
    assert scales.linear(3.0, 200, soft=2.0).high == pytest.approx(3.3)
    assert scales.linear(0.2, 200, soft=2.0, hard=1.0).high == 1.0
    assert scales.linear(0.0, 200).high == 100.0
    assert scales.linear(0.0, 200, soft=1.0).high == 1.0


def test_labels_have_room() -> None:
    scale = scales.linear(75, 110)
    assert scale.labels == [0, 20, 40, 60, 80]
    assert scales.linear(75, 300).labels == [n * 10.0 for n in range(9)]
    assert scales.linear(9 * 2**20, 200, binary=True).labels[1] == 2**21


def test_a_logarithmic_axis_ends_at_whole_powers() -> None:
    scale = scales.logarithmic(0.015, 0.4, 150)
    assert (scale.low, scale.high) == (pytest.approx(0.01), 1.0)
    assert scales.logarithmic(1, 1, 100).high == 10.0
    leading = {f"{label:.0e}"[0] for label in scale.labels}
    assert leading == {"1", "2", "5"}
    far = scales.logarithmic(1e-6, 1e6, 160)
    assert [f"{label:g}" for label in far.labels] == ["1e-06", "0.001", "1", "1000", "1e+06"]


def test_a_title_beside_two_marks_is_cut_as_grafana_cuts_it() -> None:
    for title, columns, fits in (("Ledger error", 3, False), ("Unseen by the spans", 4, True)):
        width = geometry.Grid(0, 0, columns, 5).width(geometry.NARROW)
        assert geometry.title_fits(title, width, 2) is fits
