"""The page of a run: self-contained, escaped, honest about what is not known or not valid."""

import re

import pytest

from loadtest.report import page, summary, witnesses
from loadtest.report.witnesses import Seen
from loadtest.rows import WARM_UP
from tests.unit.html_page import Page
from tests.unit.load_runs import Agreed, failed, ladder, made, row, run, stage

NASTY = '<script src="https://example.com/x.js">alert("1")</script>'


def test_the_page_refers_to_nothing_but_itself_and_the_stores() -> None:
    rows, of = ladder()
    text = page.html(made(rows, of))
    found = Page(text)
    outside = [place for place in found.places if not place.startswith(("#", "data:image/png"))]
    assert outside
    assert all(place.startswith("http://127.0.0.1:") for place in outside)
    assert "script" not in found.tags and "link" not in found.tags and "iframe" not in found.tags
    assert not re.findall(r"@import|url\((?!#)", text)
    assert not re.findall(r"https?://(?!127\.0\.0\.1:)", text)


def test_elements_close_and_no_id_stands_twice() -> None:
    rows, of = ladder()
    found = Page(page.html(made(rows, of)))
    assert not found.open
    assert len(found.ids) == len(set(found.ids))
    assert {place[1:] for place in found.places if place.startswith("#")} <= set(found.ids)


def test_whatever_a_run_says_is_text() -> None:
    rows = [failed(ended_as=NASTY, tenant=NASTY, kind=NASTY, trace_id='"><b>', number=1)]
    of = run(command=NASTY, run_id=NASTY, model=NASTY, invalid_because=(NASTY,))
    seen = Seen((witnesses.Alert(NASTY, NASTY, {NASTY: NASTY}, 1.0, 2.0),), 1.0, 5.0, (), (NASTY,))
    text = page.html(made(rows, of, Agreed(exact=False, lines=(NASTY,)), seen))
    assert "<script" not in text and "<b>" not in text
    assert text.count("&lt;script") >= 10
    assert not Page(text).open


def test_a_valid_run_that_missed_is_a_report_all_the_same() -> None:
    rows, of = ladder()
    found = made(rows, of)
    assert found.whole.met is False and found.status == 0
    text = page.html(found)
    assert "INVALID" not in text and "MISSED" in text and 'class="struck"' not in text


def test_an_invalid_run_says_so_first_and_its_figures_are_struck() -> None:
    found = made([row()], run(invalid_because=("the generator was late",)))
    text = page.html(found)
    assert text.index("INVALID") < text.index("<h1>") < text.index("Verdict")
    assert "the generator was late" in text
    figures = text[text.index("<h1>") : text.index("<h2>Load</h2>")]
    assert figures.count("<section") == figures.count('<section class="struck"') + 1  # Load's own
    assert found.status == 1
    assert next(summary.summary(found)) == "INVALID: the generator was late"


@pytest.mark.parametrize(("contradicted", "said"), [(True, "CONTRADICTED"), (False, "NOT PROVEN")])
def test_signals_that_differ_are_said_and_fail(contradicted: bool, said: str) -> None:
    lines = ("✗ one request has no record",)
    found = made([row()], agreed=Agreed(exact=False, contradicted=contradicted, lines=lines))
    assert found.status == 1
    assert said in page.html(found)
    assert "  ✗ one request has no record" in list(summary.summary(found))


def test_only_the_main_phase_is_judged() -> None:
    found = made([row(), row(benchmark_phase=WARM_UP), failed(benchmark_phase=WARM_UP)])
    assert (found.whole.requests, found.whole.met) == (1, True)
    nothing = made([row(benchmark_phase=WARM_UP)])
    assert nothing.status == 1 and "nothing to judge" in nothing.invalid_because[0]
    assert nothing.whole.met is None
    assert not Page(page.html(nothing)).open


def test_one_stage_has_no_chart_against_load() -> None:
    rows, of = ladder()
    assert "Against load" in page.html(made(rows, of))
    assert "Against load" not in page.html(made([row()]))


def test_lines_that_are_lost_are_said() -> None:
    rows, of = ladder()
    assert not list(page._absent(made(rows, of)))
    (said,) = page._absent(made(rows[:-5], of))
    assert "0 requests were due and never sent, 4 were" in said
    dropping = run(stages=(stage(intended=3, dropped=2),))
    (said,) = page._absent(made([row()], dropping))
    assert "2 requests were due and never sent, 0 were" in said
