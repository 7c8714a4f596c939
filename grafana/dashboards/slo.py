"""The thresholds of prometheus/slo.yaml as panels draw them: one number, one place."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from grafana.dashboards.limits import Limits

FILE = Path(__file__).parents[2] / "prometheus/slo.yaml"


@cache
def _file() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def _thresholds() -> dict[str, dict[str, Any]]:
    return dict(_file()["thresholds"])


def limit(name: str) -> Limits:
    """Return a threshold in its metric's unit; raises KeyError for a name the file lacks."""
    entry = _thresholds()[name]
    return Limits(float(entry["value"]), falling=entry["good"] == "above")


def fastest_burn() -> Limits:
    """Return the burn rate from which the fastest pair of windows pages."""
    return Limits(float(_file()["burn_rates"][0]["factor"]))


def sustainable_burn() -> Limits:
    """Return the burn rate from which the slowest pair of windows tells: the budget's own pace."""
    return Limits(float(_file()["burn_rates"][-1]["factor"]))
