"""What TargetMissing expects is what Prometheus is told to scrape, on every way to run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

TARGETS = Path(__file__).parents[3] / "prometheus/targets"
OPTIONAL = {"grafana"}
"""Who may be left out of a machine, so that its absence is no fault."""


def expected(label: str) -> set[str]:
    """The values of a label that the alert says should always exist."""
    rules = yaml.safe_load((TARGETS.parent / "alerts/targets.yaml").read_text())["groups"][0][
        "rules"
    ]
    (expr,) = [rule["expr"] for rule in rules if rule["alert"] == "TargetMissing"]
    return set(re.findall(rf'vector\(1\), "{label}", "([\w-]+)"', expr))


def scraped(*files: Path) -> list[dict[str, Any]]:
    """The labels of every target of the files."""
    return [group.get("labels", {}) for file in files for group in yaml.safe_load(file.read_text())]


@pytest.mark.parametrize("way", ["native", "compose"])
def test_each_part_that_is_scraped_is_expected_and_no_other(way: str) -> None:
    parts = {
        labels["job"] for labels in scraped(TARGETS / way / "scrape.yaml") if "store" not in labels
    }
    assert parts - OPTIONAL == expected("job")


@pytest.mark.parametrize("files", ["compose/scrape.yaml", "native-extra/*.yaml"])
def test_each_signal_that_a_store_keeps_is_expected_and_no_other(files: str) -> None:
    stores = {labels.get("store") for labels in scraped(*TARGETS.glob(files))}
    assert stores - {None} == expected("store")


def test_a_store_is_not_expected_by_its_name() -> None:
    stores = [labels for labels in scraped(*TARGETS.glob("*/*.yaml")) if "store" in labels]
    assert stores
    assert not {labels["job"] for labels in stores} & expected("job")
