"""The command of make: plan, load, compare; what each of them is told, and how it ends."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from stack.commands import load, replay
from stack.errors import Fault
from stack.settings import Settings


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How each step ends, and what it was told."""
    found: dict[str, Any] = {"plan": 0, "load": 0, "compare": 0, "told": []}

    def module(_: Settings, name: str, module: str, what: str, *more: str) -> int:
        found["told"].append((name, module, what, *more))
        return int(found[what])

    def run(_: Settings, name: str, given: tuple[str, ...], more: dict[str, str]) -> int:
        found["told"].append((name, more))
        return int(found["load"])

    monkeypatch.setattr(replay.venv, "run_module", module)
    monkeypatch.setattr(replay.load, "run_beside", run)
    for each in (*replay.ASKED, *replay.RECORDED):
        monkeypatch.delenv(each, raising=False)
    return found


def settings(folder: Path, **values: str) -> Settings:
    return Settings(folder, folder, folder, values)


def test_the_plan_is_sent_with_the_seed_that_it_was_made_with(
    steps: dict[str, Any], tmp_path: Path
) -> None:
    given = {"SEED": "4", "RUN_ID": "r", "TENANTS_KEYS": "keys"}
    assert replay.replay(settings(tmp_path, **given)) == 0
    folder = str(tmp_path / "load" / "r")
    plan, sent, compare = steps["told"]
    assert plan == ("load", "loadtest.replay", "plan", folder, "4")
    assert sent == (
        "replay",
        {
            "SHAPE": "replay", "PLAN": f"{folder}/plan.jsonl", "SEED": "4", "RUN_ID": "r",
            "TENANTS": "keys",
        },
    )  # fmt: skip
    assert compare == ("load", "loadtest.replay", "compare", folder)


@pytest.mark.parametrize(
    ("ends", "status", "count"),
    [
        ({"plan": 2}, 2, 1),
        ({"load": 130}, 130, 2),
        ({"load": 1}, 1, 3),
        ({"load": 3, "compare": 3}, 3, 3),
        ({"compare": 1}, 1, 3),
    ],
)
def test_it_ends_as_its_worst_step(
    steps: dict[str, Any], tmp_path: Path, ends: dict[str, int], status: int, count: int
) -> None:
    steps |= ends
    assert replay.replay(settings(tmp_path)) == status
    assert len(steps["told"]) == count


def test_what_the_records_say_is_not_asked(
    steps: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE", "3")
    with pytest.raises(Fault, match="RATE is no variable of a replay"):
        replay.replay(settings(tmp_path))
    assert not steps["told"]


def locust(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """In its place these lines of sh."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text("\n".join(("#!/bin/sh", *lines, "")))
    python.chmod(0o700)
    monkeypatch.setattr(load.venv, "make", lambda *_: folder)


def test_a_load_beside_us_is_asked_what_it_is_given_and_tells_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 'echo "$SHAPE $PLAN $RUN_COMMAND $LOCUST_USERS" > told'
    locust(tmp_path, monkeypatch, told, "exit 3")
    monkeypatch.setenv("LOCUST_USERS", "9")
    given = settings(tmp_path, SINCE="1h")
    more = {"SHAPE": "replay", "PLAN": "p"}
    assert load.run_beside(given, "replay", ("SINCE", "UNTIL"), more) == 3
    assert (tmp_path / "told").read_text() == "replay p make replay SINCE=1h \n"


def test_who_stops_us_stops_the_load_and_hears_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = "while :; do sleep 0.01; done"
    locust(tmp_path, monkeypatch, "trap 'exit 3' TERM", "echo > begun", until)

    def stop() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    assert load.run_beside(settings(tmp_path), "replay", (), {}) == 3
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("run_id", ["../other", "a/b", ".", "held", "going"])
def test_no_plan_is_written_over_another_run(
    steps: dict[str, Any], tmp_path: Path, run_id: str
) -> None:
    for name, file in (("held", "run.json"), ("going", "requests.jsonl")):
        (tmp_path / "load" / name).mkdir(parents=True)
        (tmp_path / "load" / name / file).touch()
    with pytest.raises(Fault, match=r"RUN_ID") as caught:
        replay.replay(settings(tmp_path, RUN_ID=run_id))
    assert caught.value.code == 2 and not steps["told"]
