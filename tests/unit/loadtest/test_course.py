"""The load over its stages and over time: what was due, sent, late, lost, and the worst of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import objectives
from loadtest.report.course import MOST, course, width
from loadtest.report.figures import elapsed
from loadtest.report.pace import paces
from loadtest.report.reconciled import Costs
from loadtest.report.worst import ranking
from tests.unit.load_runs import failed, row, stage

OBJECTIVES = objectives.read()


def test_the_tail_of_an_overload_counts_as_time() -> None:
    assert elapsed([row(9.0, 1.0)], [stage()]) == 10.0
    assert elapsed([row(9.0, 21.0)], [stage()]) == 30.0
    assert elapsed([failed(due=9.0, seconds=120.0)], [stage()]) == 10.0
    assert elapsed([], []) == 0.0


def test_pace_says_what_was_sent_late_dropped_and_lost() -> None:
    (found,) = paces([stage(intended=5, dropped=1)], [row(), row(), row(stage=1), row()])
    assert (found.sent, found.achieved, found.lost) == (3, 0.3, 1)
    assert found.delay is not None
    assert found.delay.p99 == pytest.approx(0.001)


def test_bins_hold_each_request_once_and_cover_every_stage() -> None:
    rows = [row(due) for due in (0.0, 0.4, 1.0, 9.9, 14.9)]
    stages = [stage(), stage(1, 10.0, seconds=5.0)]
    bins = course(rows, stages, OBJECTIVES, Costs({}, True))
    assert [each.at for each in bins] == [float(n) for n in range(15)]
    assert [each.figures.requests for each in bins if each.figures.requests] == [2, 1, 1, 1]


def test_a_turn_that_is_due_after_its_stage_has_a_bin() -> None:
    *_, last = course([row(12.5)], [stage()], OBJECTIVES, Costs({}, True))
    assert (last.at, last.figures.requests, last.figures.seconds) == (12.0, 1, 1.0)


@given(st.floats(0.1, 1e7))
def test_there_are_never_too_many_bins(seconds: float) -> None:
    assert math.ceil(seconds / width(seconds)) <= MOST + 1


def test_the_worst_come_first_and_ten_of_them() -> None:
    rows = [row(seconds=1.0 + n, ttft=0.5 - n / 100, number=n) for n in range(12)]
    provoked = failed("aborted", "hung up", provoked=True, seconds=99.0)
    found = ranking([*rows, provoked], None)
    assert [each.row.seconds for each in found.by_seconds] == [12.0 - n for n in range(10)]
    assert found.by_ttft[0].row is rows[0]
    assert found.by_seconds[0].trace == ""
