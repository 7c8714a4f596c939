"""The workflow for GitHub's runners: the same three commands, bounded, with little allowed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.builds import gobuild
from stack.containers import standins

REPO = Path(__file__).parents[3]
WORKFLOW = REPO / ".github/workflows/ci.yaml"
PREPARE = REPO / ".github/actions/prepare/action.yaml"


def workflow() -> dict[Any, Any]:
    return dict(yaml.safe_load(WORKFLOW.read_text()))


def jobs() -> dict[str, dict[str, Any]]:
    return dict(workflow()["jobs"])


def _commands(job: str) -> list[str]:
    return [step["run"] for step in jobs()[job]["steps"] if "run" in step]


@pytest.mark.parametrize("job", ["check", "test", "test-compose"])
def test_each_command_is_a_job_that_ends(job: str) -> None:
    assert _commands(job)[-1].endswith(f"make {job}")
    assert 0 < jobs()[job]["timeout-minutes"] <= 120
    assert "permissions" not in jobs()[job]


def test_it_may_read_and_nothing_else() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    checkouts = [s for job in jobs().values() for s in job["steps"] if "checkout@" in str(s)]
    assert len(checkouts) == len(jobs())
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    assert "secrets." not in WORKFLOW.read_text() + PREPARE.read_text()


def test_the_compose_tests_demand_the_official_images() -> None:
    assert "TEST_IMAGES=official" in _commands("test-compose")[-1]
    assert "official" in standins.WISHES


def test_only_github_s_own_actions_of_a_named_version() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW.read_text() + PREPARE.read_text())
    ours = {"./.github/actions/prepare"}
    assert used
    for name in set(used) - ours:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", name), name


def test_what_is_kept_of_a_failure_holds_no_secret() -> None:
    uploads = [s for job in jobs().values() for s in job["steps"] if "upload" in str(s.get("uses"))]
    assert {step["with"]["path"] for step in uploads} == {".state/**/logs/*.log"}


def test_python_and_go_are_what_the_locks_and_modules_ask_for() -> None:
    steps = yaml.safe_load(PREPARE.read_text())["runs"]["steps"]
    given = {step["uses"].partition("@")[0]: step["with"] for step in steps if "uses" in step}
    assert given["actions/setup-python"]["python-version"] == "3.11"
    newest = ".".join(map(str, gobuild.needed_go(REPO)[:2]))
    assert given["actions/setup-go"]["go-version"] == newest
