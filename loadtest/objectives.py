"""Whether a request was good: it succeeded within each objective of prometheus/slo.yaml."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from loadtest.rows import Row

FILE = Path(__file__).parents[1] / "prometheus/slo.yaml"


class ObjectivesError(ValueError):
    """The file of thresholds lacks an objective, or has none that a duration can be held to."""


@dataclass(frozen=True)
class Objectives:
    """The longest that a good request takes, in seconds; named as in the file."""

    request_duration: float
    time_to_first_token: float
    time_per_output_token: float
    share: float = 0.95

    def is_good(self, row: Row) -> bool:
        """Tell whether a request ended well and within all objectives; what it lacks is no fault.

        Limits are inclusive, as a histogram's edges are.
        """
        held = (
            (row.seconds, self.request_duration),
            (row.ttft_seconds, self.time_to_first_token),
            (row.tpot_seconds, self.time_per_output_token),
        )
        within = all(seconds is None or seconds <= limit for seconds, limit in held)
        return row.outcome == "ok" and within

    def hold(self, rows: Sequence[Row]) -> bool:
        """Tell whether enough of the requests were good; what the load provoked is no fault.

        Enough is the largest share that the file asks for of any of the three.
        """
        judged = [row for row in rows if row.outcome == "ok" or not row.provoked]
        good = sum(self.is_good(row) for row in judged)
        return bool(judged) and good >= self.share * len(judged)


def read(path: Path = FILE) -> Objectives:
    """Read the three objectives; raises ObjectivesError naming the file and the key."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ObjectivesError(f"{path}: {error}") from error
    thresholds = content.get("thresholds") if isinstance(content, dict) else None
    if not isinstance(thresholds, dict):
        raise ObjectivesError(f"{path}: thresholds: no mapping")
    names = [each.name for each in fields(Objectives) if each.name != "share"]
    limits = {name: _seconds(path, thresholds, name) for name in names}
    share = max(_share(path, thresholds[name], name) for name in names)
    return Objectives(**limits, share=share)


def _share(path: Path, entry: dict[str, Any], name: str) -> float:
    value = entry.get("objective")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ObjectivesError(f"{path}: thresholds.{name}.objective: {value!r} is no share")
    return float(value)


def _seconds(path: Path, thresholds: dict[str, Any], name: str) -> float:
    entry = thresholds.get(name)
    where = f"{path}: thresholds.{name}"
    if not isinstance(entry, dict):
        raise ObjectivesError(f"{where}: no mapping")
    for key, wanted in {"unit": "s", "good": "below"}.items():
        if entry.get(key) != wanted:
            raise ObjectivesError(f"{where}.{key}: {entry.get(key)!r}, and not {wanted!r}")
    value = entry.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ObjectivesError(f"{where}.value: {value!r} is no number of seconds above 0")
    return float(value)
