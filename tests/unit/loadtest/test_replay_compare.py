"""A replay beside what was recorded: equal to the token and to 10 ms, or said not to be."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest import plan as plans
from loadtest.reconcile import evidence
from loadtest.replay import command
from loadtest.replay.side_by_side import quantile
from loadtest.rows import REQUESTS, RUN, to_json, to_line
from server.record.request import Outcome
from stack.errors import Fault
from tests.unit.helpers import STARTED_NS
from tests.unit.load_runs import run
from tests.unit.reconciling import Story
from tests.unit.replaying import planned, recorded, store


def replayed(folder: Path, late: int = 0, **second: Any) -> Story:
    """A run of the plan of `lived`, whose second request the server recorded otherwise."""
    story = Story()
    story.send()
    story.send(**{"stream": False, **second})
    story.rows = [replace(row, intended_start_ns=row.request_start_ns - late) for row in story.rows]
    plans.write(
        planned(recorded(0, (100, 40, 20)), recorded(2, (100, 40, 20), stream=False)),
        folder / "plan.jsonl",
    )
    (folder / REQUESTS).write_text("".join(to_line(row) + "\n" for row in story.rows))
    of = run(started_ns=STARTED_NS, ended_ns=story.now, lines=2)
    (folder / RUN).write_text(to_json(of))
    return story


def test_a_replay_that_is_equal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.compare(tmp_path, store(replayed(tmp_path))) == 0
    said = capsys.readouterr().out
    assert "✓ completed requests: 2 recorded, 2 replayed" in said
    assert "✓ input tokens of them: 200 recorded, 200 replayed" in said
    assert "✓ output tokens of them: 40 recorded, 40 replayed" in said
    assert "✓ schedule error p99 0.0 ms" in said
    assert "TTFT p50" in said and "300.0 [?, ?]" in said
    document = json.loads((tmp_path / "replay.json").read_text())
    assert document["latency_seconds"]["end to end p99"]["replayed"]["value"] == 1.0


@pytest.mark.parametrize(
    ("late", "second", "said"),
    [
        (0, {"outcome": Outcome.SERVER_ERROR}, "✗ completed requests: 2 recorded, 1 replayed"),
        (0, {"stream": True}, "✗ of these lengths, streamed or not: 1 of 2"),
        (11_000_000, {}, "✗ schedule error p99 11.0 ms"),
    ],
)
def test_a_replay_that_is_not_equal_is_no_replay(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    late: int,
    second: dict[str, Any],
    said: str,
) -> None:
    assert command.compare(tmp_path, store(replayed(tmp_path, late, **second))) == 1
    assert said in capsys.readouterr().out


def test_an_invalid_run_stays_one(tmp_path: Path) -> None:
    story = replayed(tmp_path)
    of = run(started_ns=STARTED_NS, ended_ns=story.now, invalid_because=("late",))
    (tmp_path / RUN).write_text(to_json(of))
    assert command.compare(tmp_path, store(story)) == 3


def test_a_store_that_is_silent_afterwards_leaves_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PATIENCE_SECONDS", 0.0)
    story = replayed(tmp_path)
    story.logs.silent = "VictoriaLogs: does not answer"
    with pytest.raises(Fault, match="what was replayed cannot be read"):
        command.compare(tmp_path, store(story))


def test_no_replay_is_a_line_that_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["compare", str(tmp_path)], {"STATE_DIR": str(tmp_path)}) == 2
    assert "make replay SINCE=1h" in capsys.readouterr().err


@pytest.mark.parametrize("percent", [50, 95])
def test_an_interval_holds_the_quantile_95_times_in_a_hundred(percent: int) -> None:
    dice, true = random.Random(3), percent / 100
    held = 0
    for _ in range(400):
        found = quantile(sorted(dice.random() for _ in range(200)), percent)
        assert found.low is not None and found.high is not None
        held += found.low <= true <= found.high
    assert 0.93 <= held / 400 <= 0.99


def test_few_values_have_no_upper_end() -> None:
    assert quantile([1.0, 2.0, 3.0], 99).high is None
