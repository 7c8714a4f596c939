"""Who leads a run: what it announces, what it believes, and when it calls its own run invalid."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.generator import conductor as module
from loadtest.generator.conductor import LATE_SECONDS, Conductor
from loadtest.generator.settings import read
from loadtest.objectives import Objective
from loadtest.rows import MAIN, Row, Run, read_rows, read_run, to_line
from tests.unit.load_rows import row

HELD = (Objective("time_to_first_token", 0.9, 0.3),)  # type: ignore[arg-type]


class Runner:
    """A worker that has sent all of a stage, and its rows, as soon as it hears of it."""

    def __init__(self, answer: Callable[[dict[str, Any]], list[Row]], due: int = 0) -> None:
        self._answer = answer
        self._due = due
        self.stages: list[dict[str, Any]] = []
        self.conductor: Conductor | None = None
        self.dropped = 0
        self.cpu_warning = False
        self.silent = False

    def send_message(self, msg_type: str, data: Any = None) -> None:
        assert self.conductor is not None
        if msg_type == "stage":
            self.stages.append(data)
            rows = self._answer(data)
            self.conductor.take_rows([to_line(each) for each in rows])
            number = data["number"]
            self.conductor.take_part(number, self._due or len(rows), self.dropped)
        elif not self.silent:
            self.conductor.take_finish({"cpu_warning": self.cpu_warning})


@pytest.fixture
def lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Run, Conductor]]:
    monkeypatch.setattr(module, "HEAD_START_NS", 0)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)

    def build(runner: Runner, **changes: Any) -> tuple[Run, Conductor]:
        plain = replace(read({"METRICS_URL": "http://127.0.0.1:9/"}), duration=0.2, patience=0.05)
        settings = replace(plain, folder=tmp_path, **changes)
        lines: list[str] = []
        runner.conductor = Conductor(settings, runner, "tiny-llama", HELD, lines.append)
        return runner.conductor.run(), runner.conductor

    return build


def ended(stage: dict[str, Any], late: float = 0.0, ttft: float = 0.1, **changes: Any) -> Row:
    """A request that was due when its stage began, with this lateness and first token."""
    due = stage["begun_ns"] + stage["ahead_ns"]
    start = due + round(late * 1e9)
    return row(
        stage=stage["number"],
        benchmark_phase=stage["phase"],
        intended_start_ns=due,
        request_start_ns=start,
        first_token_ns=start + round(ttft * 1e9),
        request_end_ns=start + 10**9,
        trace_id=f"{stage['number']:032x}",
        **changes,
    )


def test_a_run_is_on_disk_as_it_was(
    lead: Callable[..., tuple[Run, Conductor]], tmp_path: Path
) -> None:
    runner = Runner(lambda stage: [ended(stage)])
    run, _ = lead(runner)
    assert run.invalid_because == ()
    assert [stage.phase for stage in run.stages] == ["warmup", MAIN, "cooldown"]
    assert [stage.intended for stage in run.stages] == [1, 1, 1]
    assert (run.before, run.after) == (None, None)
    assert read_run(tmp_path) == run
    assert [each.stage for each in read_rows(tmp_path)] == [0, 1, 2]
    # Each stage begins where the last ends, by one clock.
    begins = [stage["begun_ns"] for stage in runner.stages]
    assert begins[1] - begins[0] == round(runner.stages[0]["seconds"] * 1e9)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"late": 2 * LATE_SECONDS}, "generator late: p99 0.200 s"),
        ({"dropped": 2}, "6 requests were never sent"),
        ({"cpu_warning": True}, "used a whole core"),
        ({"silent": True}, "did not say that it has finished"),
        ({"due": 10}, "stage 1: 1 of 10 begun in time"),
        ({"none": True}, "nothing was sent"),
    ],
)
def test_a_run_whose_generator_was_the_bottleneck_is_invalid(
    lead: Callable[..., tuple[Run, Conductor]], changes: dict[str, Any], because: str
) -> None:
    def answer(stage: dict[str, Any]) -> list[Row]:
        return [] if changes.get("none") else [ended(stage, changes.get("late", 0.0))]

    runner = Runner(answer, changes.get("due", 0))
    for name in ("dropped", "cpu_warning", "silent"):
        setattr(runner, name, changes.get(name, getattr(runner, name)))
    run, _ = lead(runner)
    assert any(because in reason for reason in run.invalid_because), run.invalid_because


def test_the_limit_is_the_highest_rate_at_which_the_objectives_hold(
    lead: Callable[..., tuple[Run, Conductor]],
) -> None:
    runner = Runner(lambda stage: [ended(stage, ttft=0.1 if stage["rate"] <= 5 else 1.0)])
    _, conductor = lead(runner, shape="limit", rate=1.0, duration=0.05)
    holds = [rate for rate, held in conductor._held if held]
    assert 4.5 < max(holds) <= 5
    assert all(held == (rate <= 5) for rate, held in conductor._held)


def test_a_rate_at_which_nothing_ends_does_not_hold(
    lead: Callable[..., tuple[Run, Conductor]],
) -> None:
    runner = Runner(lambda stage: [] if stage["rate"] > 1 else [ended(stage)], due=1)
    _, conductor = lead(runner, shape="limit", rate=1.0, duration=0.05)
    assert dict(conductor._held)[2.0] is False


def test_a_run_that_is_ended_before_its_time_says_so_and_keeps_its_rows(
    lead: Callable[..., tuple[Run, Conductor]], tmp_path: Path
) -> None:
    class Impatient(Runner):
        def send_message(self, msg_type: str, data: Any = None) -> None:
            super().send_message(msg_type, data)
            if len(self.stages) == 2:
                raise KeyboardInterrupt

    runner = Impatient(lambda stage: [ended(stage)])
    with pytest.raises(KeyboardInterrupt):
        lead(runner)
    assert runner.conductor is not None
    runner.conductor.abandon()
    runner.conductor.abandon()
    assert "ended before its time" in read_run(tmp_path).invalid_because
    assert len(list(read_rows(tmp_path))) == 2
