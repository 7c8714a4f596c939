"""A good request is one that every objective of prometheus/slo.yaml calls good."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest import objectives
from loadtest.objectives import Objective, ObjectivesError, hold, is_good
from server.catalogue import slo
from tests.unit.load_rows import row

HELD = (
    Objective("request_duration", Fraction(1, 2), 1.0),
    Objective("time_to_first_token", Fraction(1, 2), 0.3),
    Objective("time_per_output_token", Fraction(1, 2), 0.1),
)
"""Exactly what `row()` takes."""


def test_the_repositorys_thresholds_are_the_objectives() -> None:
    known = {threshold.name: threshold for threshold in slo.read()}
    for each in objectives.read():
        threshold = known[each.name]
        limit, share = (
            (threshold.value, threshold.objective)
            if each.limit is not None
            else (None, 1 - threshold.value)
        )
        assert (each.limit, float(each.share)) == (limit, pytest.approx(share))


def test_objectives_hold_where_enough_requests_are_within_each() -> None:
    good, late = row(), row(request_end_ns=1_000_000_001)
    assert hold(HELD, [good, late])
    assert not hold(HELD, [good, late, late])
    # What the load asked for is judged by none, and nothing judged is nothing that holds.
    provoked = row(outcome="client_error", provoked=True)
    assert hold(HELD, [good, provoked, provoked])
    assert not hold(HELD, [provoked])
    assert not hold(HELD, [])


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"request_end_ns": 1_000_000_001}, False),
        ({"first_token_ns": 300_000_001}, False),
        ({"gaps_seconds": (0.5, 0.51)}, False),
        ({"intended_start_ns": -1}, False),
        ({"request_start_ns": 900_000_000}, True),
        ({"outcome": "aborted"}, False),
        ({"outcome": "client_error", "provoked": True}, False),
        ({"stream": False, "first_token_ns": None, "gaps_seconds": ()}, True),
    ],
)
def test_good_is_ok_and_within_each_objective_from_the_intended_start(
    changes: dict[str, Any], good: bool
) -> None:
    assert is_good(HELD, row(**changes)) is good


GOOD = {"value": 2, "unit": "s", "good": "below", "objective": 0.9}
ERRORS = {"value": 0.01, "unit": "ratio", "good": "below"}
ENTRIES = {**dict.fromkeys(objectives.MEASURED, GOOD), "error_share": ERRORS}


@pytest.mark.parametrize(
    ("name", "entry", "key"),
    [
        ("time_to_first_token", {**GOOD, "value": "2"}, ".value"),
        ("time_to_first_token", {**GOOD, "value": True}, ".value"),
        ("time_to_first_token", {**GOOD, "value": 0}, ".value"),
        ("time_to_first_token", {**GOOD, "value": float("nan")}, ".value"),
        ("time_to_first_token", {**GOOD, "value": float("inf")}, ".value"),
        ("time_to_first_token", {**GOOD, "unit": "ms"}, ".unit"),
        ("time_to_first_token", {**GOOD, "good": "above"}, ".good"),
        ("time_to_first_token", {**GOOD, "objective": 1.1}, ".objective"),
        ("time_to_first_token", {**GOOD, "objective": None}, ".objective"),
        ("time_to_first_token", 2, ": no mapping"),
        ("time_to_first_token", None, ": no mapping"),
        ("error_share", {**ERRORS, "value": 2}, ".value"),
    ],
)
def test_a_bad_objective_is_named_with_its_file(
    tmp_path: Path, name: str, entry: Any, key: str
) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(yaml.safe_dump({"thresholds": ENTRIES}))
    found = {each.name: (each.limit, each.share) for each in objectives.read(path)}
    assert found["time_to_first_token"] == (2.0, Fraction(9, 10))
    assert found["error_share"] == (None, Fraction(99, 100))
    path.write_text(yaml.safe_dump({"thresholds": {**ENTRIES, name: entry}}))
    with pytest.raises(ObjectivesError) as caught:
        objectives.read(path)
    assert str(caught.value).startswith(f"{path}: thresholds.{name}{key}")


@pytest.mark.parametrize("text", ["", "[]", "thresholds: 3", "a: [", "\x00"])
def test_what_is_no_file_of_thresholds_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slo.yaml"
    with pytest.raises(ObjectivesError, match="No such file"):
        objectives.read(path)
    path.write_text(text)
    with pytest.raises(ObjectivesError, match=str(path)):
        objectives.read(path)
