"""Arrivals are an open loop: drawn once, whoever sends them, at the rate that was asked for."""

import random
import statistics
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.arrivals import ARRIVALS, mine, offsets, recorded, replayed


@given(
    st.sampled_from(sorted(ARRIVALS)),
    st.floats(0.1, 50),
    st.integers(0, 2**31),
    st.integers(1, 8),
)
def test_several_processes_send_what_one_would_have_sent(
    kind: str, rate: float, seed: int, processes: int
) -> None:
    def every() -> list[tuple[int, float]]:
        return list(enumerate(offsets(kind, rate, 20.0, random.Random(seed))))

    parts = [
        list(mine(offsets(kind, rate, 20.0, random.Random(seed)), index, processes))
        for index in range(processes)
    ]
    assert sorted(due for part in parts for due in part) == every()
    assert all(0 < due < 20.0 for _, due in every())
    assert all(before <= after for (_, before), (_, after) in pairwise(every()))


@pytest.mark.parametrize(("kind", "variation"), [("constant", 0), ("poisson", 1), ("gamma", 2)])
def test_gaps_have_the_rates_mean_and_the_kinds_variation(kind: str, variation: float) -> None:
    due = list(offsets(kind, 100.0, 1000.0, random.Random(1)))
    gaps = [after - before for before, after in pairwise(due)]
    mean = statistics.fmean(gaps)
    assert mean == pytest.approx(0.01, rel=0.02)
    assert statistics.pstdev(gaps) / mean == pytest.approx(variation, abs=0.05)


def test_a_replay_is_what_stands_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "due"
    path.write_text("2.5\n0.5\n\n7\n")
    assert recorded(path) == [0.5, 2.5, 7.0]
    # Stages go through it one after the other.
    assert [list(replayed(path, begin, 3.0)) for begin in (0.0, 3.0, 6.0)] == [
        [0.5, 2.5],
        [],
        [1.0],
    ]


@pytest.mark.parametrize("text", ["a", "-1", "1;2"])
def test_a_file_that_is_no_replay_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "due"
    path.write_text(text)
    with pytest.raises(ValueError, match=str(path)):
        recorded(path)


def test_a_sequence_is_drawn_as_it_is_needed() -> None:
    assert len(list(islice(offsets("poisson", 1e6, 1e9, random.Random(1)), 10))) == 10
