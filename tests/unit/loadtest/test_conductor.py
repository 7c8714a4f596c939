"""Who leads a run: what it announces, what it believes, and when it calls its own run invalid."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from loadtest.generator import arrivals
from loadtest.generator import conductor as module
from loadtest.generator.conductor import Conductor
from loadtest.generator.settings import Settings, read
from loadtest.generator.validity import LATE_SECONDS, OWN_LIMIT
from loadtest.objectives import Objective
from loadtest.rows import MAIN, Row, Run, limit, read_rows, read_run, to_line
from tests.unit.load_rows import row

HELD = (Objective("time_to_first_token", Fraction(9, 10), 0.3),)
Stage = dict[str, Any]


class Generator:
    """All workers in one: it has sent a stage, and said so, as soon as it hears of it.

    `answer` makes the row of a visit that is due so many seconds after its stage began.
    """

    def __init__(self, settings: Settings, answer: Callable[[Stage, float], Row | None]) -> None:
        self._settings = settings
        self._answer = answer
        self.conductor: Conductor | None = None
        self.stages: list[Stage] = []
        self.dropped = self.unseen = 0
        self.finish = {"cpu_warning": False, "stalled": 0.0}
        self.silent = self.stuck = False

    def send_message(self, msg_type: str, data: Any = None) -> None:
        assert self.conductor is not None
        if msg_type == "stage":
            self._send(data)
        elif not self.silent:
            self.conductor.take_finish(self.finish)

    def _send(self, stage: Stage) -> None:
        assert self.conductor is not None
        self.stages.append(stage)
        every = list(arrivals.of_stage(self._settings, stage))
        rows = [self._answer(stage, due) for due in every[self.dropped :]]
        self.conductor.take_rows([to_line(each) for each in rows if each is not None])
        number, looked_at = stage["number"], len(every) - self.unseen
        self.conductor.take_part(number, looked_at, self.dropped)
        if not self.stuck:
            self.conductor.take_settled(number)


def visit(stage: Stage, due: float, late: float = 0.0, ttft: float = 0.1, **changes: Any) -> Row:
    """The row of a visit, with this lateness of the generator and this first token."""
    due_ns = stage["begun_ns"] + stage["ahead_ns"] + round(due * 1e9)
    start = due_ns + round(late * 1e9)
    known: dict[str, Any] = {"provoked": True, "trace_id": f"{stage['number']:032x}"}
    return row(
        stage=stage["number"],
        benchmark_phase=stage["phase"],
        intended_start_ns=due_ns,
        request_start_ns=start,
        first_token_ns=due_ns + round(ttft * 1e9),
        request_end_ns=start + 10**9,
        **known | changes,
    )


Lead = Callable[..., tuple[Generator, Callable[[], Run]]]


@pytest.fixture
def lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lead:
    """Makes a generator, and what runs its conductor."""
    for name in ("SETTLE_SECONDS", "TRAVEL_SECONDS"):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(module, "HEAD_START_NS", 0)

    def build(
        answer: Callable[[Stage, float], Row | None] = visit, **changes: Any
    ) -> tuple[Generator, Callable[[], Run]]:
        plain = replace(read({"METRICS_URL": "http://127.0.0.1:9/"}), duration=0.2, patience=0.02)
        settings = replace(plain, **{"folder": tmp_path, "rate": 200.0, **changes})
        generator = Generator(settings, answer)
        said: list[str] = []
        generator.conductor = Conductor(settings, generator, "tiny-llama", HELD, said.append)
        return generator, generator.conductor.run

    return build


def test_a_run_is_on_disk_as_it_was(lead: Lead, tmp_path: Path) -> None:
    generator, run = lead()
    found = run()
    assert found.invalid_because == ()
    assert [stage.phase for stage in found.stages] == ["warmup", MAIN, "cooldown"]
    assert sum(stage.intended for stage in found.stages) == found.lines > 20
    assert (found.before, found.after) == (None, None)
    assert read_run(tmp_path) == found
    assert len(list(read_rows(tmp_path))) == found.lines
    # Each stage begins where the last ends, by one clock.
    for stage, after in pairwise(generator.stages):
        assert after["begun_ns"] - stage["begun_ns"] == round(stage["seconds"] * 1e9)


def late(seconds: float) -> Callable[[Stage, float], Row]:
    return lambda stage, due: visit(stage, due, late=seconds if due < 0.01 else 0.0)


def lost(stage: Stage, due: float) -> Row | None:
    return None if due < 0.01 else visit(stage, due)


@pytest.mark.parametrize(
    ("answer", "changes", "because"),
    [
        (late(2 * LATE_SECONDS), {}, "generator late in stage 1: p99 0.200 s"),
        (visit, {"dropped": 2}, "6 visits were never begun"),
        (visit, {"finish": {"cpu_warning": True, "stalled": 0.0}}, "used a whole core"),
        (visit, {"finish": {"cpu_warning": False, "stalled": 0.2}}, "stood still: p99 0.200 s"),
        (visit, {"silent": True}, "did not say that it has finished"),
        (visit, {"unseen": 1}, "visits were looked at"),
        (lost, {}, "begun visits have a line"),
        (lambda *_: None, {}, "nothing was sent"),
        (lambda *of: visit(*of, ended_as=f"{OWN_LIMIT}OSError"), {}, "own limit: OSError"),
    ],
)
def test_a_run_whose_generator_was_the_bottleneck_is_invalid(
    lead: Lead,
    answer: Callable[[Stage, float], Row | None],
    changes: dict[str, Any],
    because: str,
) -> None:
    generator, run = lead(answer)
    for name, value in changes.items():
        setattr(generator, name, value)
    found = run().invalid_because
    assert any(because in reason for reason in found), found


def test_no_run_is_written_over_another(lead: Lead) -> None:
    lead()
    with pytest.raises(FileExistsError):
        lead()


def test_the_limit_is_the_highest_rate_at_which_the_objectives_hold(lead: Lead) -> None:
    def answer(stage: Stage, due: float) -> Row:
        return visit(stage, due, ttft=0.1 if stage["rate"] <= 1000 else 1.0)

    _, run = lead(answer, shape="limit", rate=200.0, duration=0.2)
    found = run()
    highest = limit(found)
    assert highest is not None and 900 < highest <= 1000
    assert all(held == (rate <= 1000) for rate, held in found.held)
    assert found.invalid_because == ()


@pytest.mark.parametrize(
    ("changes", "answer", "because"),
    [
        ({"rate": 20.0}, visit, "requests say nothing of it: raise DURATION"),
        ({"rate": 200.0, "stuck": True}, visit, "its visits do not end"),
        ({"rate": 200.0}, late(1.0), "the generator itself was late"),
    ],
)
def test_a_rate_of_which_too_little_is_known_ends_the_search_undecided(
    lead: Lead, changes: dict[str, Any], answer: Callable[[Stage, float], Row], because: str
) -> None:
    generator, run = lead(answer, shape="limit", rate=changes["rate"])
    generator.stuck = changes.get("stuck", False)
    found = run()
    assert any(because in reason for reason in found.invalid_because), found.invalid_because
    assert limit(found) is None


def test_a_rate_whose_visits_are_dropped_does_not_hold(lead: Lead) -> None:
    generator, run = lead(shape="limit")
    generator.dropped = 5
    assert limit(run()) is None


def test_a_run_that_is_ended_before_its_time_says_so_and_keeps_its_rows(
    lead: Lead, tmp_path: Path
) -> None:
    def answer(stage: Stage, due: float) -> Row:
        if stage["number"] == 1:
            raise KeyboardInterrupt
        return visit(stage, due)

    generator, run = lead(answer)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert generator.conductor is not None
    assert read_run(tmp_path).invalid_because == ("it has not ended",)
    assert generator.conductor.abandon() is not None
    assert generator.conductor.abandon() is None
    found = read_run(tmp_path)
    assert "ended before its time" in found.invalid_because
    assert len(list(read_rows(tmp_path))) == found.lines > 0
