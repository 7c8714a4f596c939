"""A good request is one that every objective of prometheus/slo.yaml calls good."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest import objectives
from loadtest.objectives import Objectives, ObjectivesError
from tests.unit.load_rows import row

HELD = Objectives(request_duration=1.0, time_to_first_token=0.3, time_per_output_token=0.1)
"""Exactly what `row()` takes."""


def test_the_repositorys_thresholds_are_the_objectives() -> None:
    content = yaml.safe_load(objectives.FILE.read_text())["thresholds"]
    found = vars(objectives.read())
    assert found == {name: float(content[name]["value"]) for name in found}


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
    assert HELD.is_good(row(**changes)) is good


GOOD = {"value": 2, "unit": "s", "good": "below"}


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({**GOOD, "value": "2"}, ".value"),
        ({**GOOD, "value": True}, ".value"),
        ({**GOOD, "value": 0}, ".value"),
        ({**GOOD, "value": float("nan")}, ".value"),
        ({**GOOD, "value": float("inf")}, ".value"),
        ({**GOOD, "unit": "ms"}, ".unit"),
        ({**GOOD, "good": "above"}, ".good"),
        (2, ": no mapping"),
        (None, ": no mapping"),
    ],
)
def test_a_bad_objective_is_named_with_its_file(tmp_path: Path, entry: Any, key: str) -> None:
    names = ("request_duration", "time_to_first_token", "time_per_output_token")
    path = tmp_path / "slo.yaml"
    path.write_text(yaml.safe_dump({"thresholds": dict.fromkeys(names, GOOD)}))
    assert objectives.read(path) == Objectives(2.0, 2.0, 2.0)
    entries = {**dict.fromkeys(names, GOOD), "time_to_first_token": entry}
    path.write_text(yaml.safe_dump({"thresholds": entries}))
    with pytest.raises(ObjectivesError) as caught:
        objectives.read(path)
    assert str(caught.value).startswith(f"{path}: thresholds.time_to_first_token{key}")


@pytest.mark.parametrize("text", ["", "[]", "thresholds: 3", "a: [", "\x00"])
def test_what_is_no_file_of_thresholds_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slo.yaml"
    with pytest.raises(ObjectivesError, match="No such file"):
        objectives.read(path)
    path.write_text(text)
    with pytest.raises(ObjectivesError, match=str(path)):
        objectives.read(path)
