"""docs/numbers.md: a place for each name, which says what it is and who reads it."""

import re
from pathlib import Path

import pytest

from alertmanager.markdown import headings, slug
from server.catalogue import ALL, numbers, used_by
from server.catalogue.used_by import anchor, own_name, read_names
from server.catalogue.uses import recorded, uses

REPO = Path(__file__).parents[3]
PAGE = numbers.page(REPO)
NAMES = [title.strip("`") for title in headings(PAGE, 3)]


def section(name: str) -> str:
    return re.split(r"\n##+ ", PAGE.split(f"\n### `{name}`\n")[1])[0]


def test_each_metric_and_each_recorded_name_has_a_place_of_its_own() -> None:
    assert sorted(NAMES) == sorted({metric.name for metric in ALL} | recorded())
    assert len({slug(name) for name in NAMES}) == len(NAMES)


def test_anchors_are_those_that_the_pages_make() -> None:
    assert [anchor(name) for name in NAMES] == [slug(name) for name in NAMES]
    assert anchor("Device bill") == slug("Device bill")


def test_whoever_reads_a_name_stands_at_it() -> None:
    for use in uses():
        kind, _, title = use.where.rpartition(" (")[0].partition(" ")
        for name in read_names(use.expression) if kind in ("alert", "record", "panel") else ():
            assert title in section(name), use.where


def test_a_part_of_a_histogram_is_the_histogram() -> None:
    assert own_name("llm_request_phase_seconds_bucket") == "llm_request_phase_seconds"
    assert own_name("model:llm_requests:rate5m") == "model:llm_requests:rate5m"
    assert read_names("sum(a_b) / sum(a_b) + up") == ["a_b", "up"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("llm_request_phase_seconds", "Histogram, unit seconds; labels: `model`, `phase`"),
        ("llm_request_phase_seconds", '[RED](boards.md#red) ("Phases, p95")'),
        ("up", "[TargetDown](runbooks/targets.md#targetdown)"),
        ("vllm:num_requests_waiting", "(#instancevllm_num_requests_waitingavg1m)"),
        ("model_objective:slo_burn:ratio1h", "/ on (objective) group_left ()"),
        ("model_objective:slo_burn:ratio1h", "[Overview](boards.md#overview)"),
        ("instance_model_objective:slo_requests:total", '# objective="request_duration"'),
    ],
)
def test_it_says_what_a_name_is_and_leads_on(name: str, said: str) -> None:
    assert said in section(name)


def test_a_query_of_a_runbook_belongs_to_the_alert_above_it() -> None:
    for name, of in used_by.users(REPO).items():
        for alert in of.runbooks:
            assert re.fullmatch(r"\w+", alert), (name, alert)
