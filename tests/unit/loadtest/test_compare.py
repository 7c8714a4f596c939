"""`make compare`: which runs are held against each other, what is said of them, and the status."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.compare import alike
from loadtest.compare.command import main
from loadtest.compare.sample import costs, sample
from loadtest.compare.verdict import Judge, Verdict
from loadtest.objectives import read
from loadtest.report import with_cost
from loadtest.rows import COOL_DOWN, Row
from stack.commands import compare as make_compare
from stack.errors import Fault
from stack.settings import Settings
from tests.unit.compared import rows_of, run_of, served
from tests.unit.load_runs import Agreed, failed, kept, row, run

FIRST = rows_of(served(1, 1))
EQUAL = rows_of(served(1, 2))
SLOWER = rows_of(served(1, 2, slower=1.2))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    return tmp_path / "load"


def keep(state: Path, name: str, rows: Sequence[Row], begun: float = 0.0, **more: Any) -> str:
    kept(state / name, rows, run_of(name, begun=begun, **more))
    return name


def test_two_runs_of_one_seed_are_equal(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([keep(state, "a", FIRST), keep(state, "b", EQUAL)]) == 0
    said = capsys.readouterr().out
    assert "WORSE" not in said and "A: a (1,800 requests)" in said
    assert "not from run to run" in said


def test_a_fifth_slower_is_worse(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([keep(state, "a", FIRST), keep(state, "b", SLOWER)]) == 1
    said = capsys.readouterr().out
    assert {"WORSE: TTFT p50", "WORSE: TPOT p50", "WORSE: duration p50"} <= {*said.splitlines()}
    assert main(["--tolerance=0.5", "a", "b"]) == 0
    # The other way round it got better, which is no fault.
    assert main(["b", "a"]) == 0
    assert "better" in capsys.readouterr().out


def test_json_tells_each_change_as_a_share_with_its_interval(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([keep(state, "a", FIRST), keep(state, "b", SLOWER), "--json"])
    found = json.loads(capsys.readouterr().out)
    (ttft,) = (each for each in found["changes"] if each["metric"] == "TTFT p50")
    middle, low, high = ttft["change"]
    assert 0.1 < low < middle < high < 0.35
    assert (found["status"], ttft["unit"], ttft["verdict"]) == (1, "s", "worse")
    assert middle == pytest.approx(ttft["b"] / ttft["a"] - 1)


def test_too_few_requests_are_not_enough_to_say(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [each for each in FIRST if each.intended_start_ns % 20 == 0][:60] or FIRST[:60]
    assert main([keep(state, "a", few), keep(state, "b", few)]) == 3
    said = capsys.readouterr().out
    assert "NOT ENOUGH TO SAY: TTFT p50: it is of 60 requests and needs 100" in said


def test_a_noisy_run_says_how_long_one_would_tell(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, noise in (("a", 1), ("b", 4)):
        of = served(5, noise, seconds=90.0, lasting=20.0)
        kept(state / name, rows_of(of), run_of(name, 90.0))
    assert main(["b", "a"]) == 3
    assert "NOT ENOUGH TO SAY: TPOT p50: about " in capsys.readouterr().out


def test_a_run_of_less_than_a_minute_tells_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        kept(state / name, rows_of(served(5, 1, seconds=48.0)), run_of(name, 48.0))
    assert main(["a", "b"]) == 3
    assert "it is of less than 60 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seed": 2}, "differ in their seed: 1, 2"),
        ({"shape": "ramp"}, "differ in their shape"),
        ({"model": "other"}, "differ in their model"),
        ({"rate": 9.0}, "differ in their rate"),
        ({"processes": 7}, "differ in their processes"),
        ({"stages": ()}, "differ in their stages"),
        ({"invalid_because": ("generator late",)}, "b is invalid: generator late"),
    ],
)
def test_runs_that_are_not_alike_are_refused_unless_told(
    state: Path, capsys: pytest.CaptureFixture[str], more: dict[str, Any], said: str
) -> None:
    keep(state, "a", FIRST)
    keep(state, "b", EQUAL, **more)
    assert main(["a", "b"]) == 2
    refused = capsys.readouterr()
    assert said in refused.err and "FORCE=1" in refused.err and not refused.out
    main(["--force", "a", "b"])
    assert "NOT ALIKE:" in capsys.readouterr().out


def test_other_visits_of_the_same_seed_are_told_and_not_paired(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(state, "a", FIRST)
    keep(state, "b", rows_of(served(2, 2)))
    assert main(["a", "b"]) == 2
    assert "of visits are the same" in capsys.readouterr().err
    # What differs by what was asked is in the interval then.
    assert main(["--force", "a", "b"]) == 0


def test_a_run_is_not_held_against_itself(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([keep(state, "a", FIRST), "a"]) == 2
    assert "held against itself" in capsys.readouterr().err
    keep(state, "b", EQUAL)
    assert main(["a,b", "b"]) == 2
    assert "b is there twice" in capsys.readouterr().err


def test_lines_that_cannot_be_read_make_a_run_invalid() -> None:
    known = run(run_id="a", lines=3)
    assert [*alike.faults(known, FIRST[:2])] == ["of a 2 of 3 lines can be read"]


def test_of_three_runs_a_side_the_runs_are_the_lots(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second side is slower by a fifth, and every run by what the machine was at then.
    for number in range(3):
        for side, slower in (("a", 1.0), ("b", 1.2)):
            of = served(1, 10 * number + (side == "b"), slower * (1 + 0.4 * number), 120.0)
            begun = 1000.0 * number + 500.0 * (side == "b")
            name = f"{side}{number}"
            kept(state / name, rows_of(of), run_of(name, 120.0, begun))
    assert main(["a0,a1,a2", "b0,b1,b2"]) == 1
    assert "not from run to run" not in capsys.readouterr().out
    # In another order they took no turns: what the machine was at is all over it.
    assert main(["a0,a1,a2", "b1,b2,b0"]) in (0, 3)


def test_where_nothing_streams_the_whole_answer_is_what_has_to_be_told() -> None:
    short = [
        replace(each, stream=False, first_token_ns=None, gaps_seconds=()) for each in FIRST[:50]
    ]
    side = [sample(run_of("a"), short, read(), {})]
    changes = Judge(0.05, 0.01, paired=True, in_turns=False).changes(side, side)
    assert {c.metric.label for c in changes if c.undecided} == {
        "duration p50", "output tokens", "errors",
    }  # fmt: skip
    streamed = [sample(run_of("a"), FIRST[:50], read(), {})]
    changes = Judge(0.05, 0.01, paired=True, in_turns=False).changes(streamed, streamed)
    assert "duration p50" not in {c.metric.label for c in changes if c.undecided}


def test_a_sample_is_of_the_main_phase_and_of_what_was_not_provoked() -> None:
    rows = [
        row(1.0, 1.0, 0.5, number=1),
        row(2.0, 2.0, 0.7, number=2, benchmark_phase=COOL_DOWN),
        failed(due=3.0, number=3),
        failed(due=4.0, number=4, provoked=True),
    ]
    found = sample(run_of("a", 30.0), rows, read(), {})
    assert found.requests == 2 and found.blocks == 3
    assert [*found.values["duration"].ordered] == [1.0]
    assert [*found.values["ttft"].ordered] == [0.5]
    assert found.sums["errors"].whole == 0.5
    assert found.sums["tokens"].whole == pytest.approx(3 / 30)
    assert "cost" not in found.sums


def test_a_cost_is_of_runs_whose_every_answer_has_one(tmp_path: Path) -> None:
    rows = [row(float(n), number=n + 1) for n in range(3)]
    priced = {each.trace_id: 6.0 for each in rows}
    (tmp_path / with_cost.NAME).write_text("\n".join(with_cost.lines(rows, Agreed(costs=priced))))
    assert costs(tmp_path) == priced and costs(tmp_path / "none") == {}
    whole = sample(run_of("a", 30.0), rows, (), priced).sums["cost"].whole
    assert whole == pytest.approx(18.0 / 9 * 1000)
    part = {rows[0].trace_id: 6.0}
    assert "cost" not in sample(run_of("a", 30.0), rows, (), part).sums


def test_more_errors_are_worse_by_their_difference() -> None:
    judge = Judge(0.05, 0.01, paired=True, in_turns=False)
    broken = [each if n % 10 else failed(due=(each.intended_start_ns - FIRST[0].intended_start_ns)
              / 1e9, number=n + 1) for n, each in enumerate(FIRST)]  # fmt: skip
    here, there = (sample(run_of(n), rows, read(), {}) for n, rows in (("a", FIRST), ("b", broken)))
    (errors,) = (c for c in judge.changes([here], [there]) if c.metric.name == "errors")
    assert errors.verdict is Verdict.WORSE and errors.theirs == pytest.approx(0.1)


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "2"])
def test_a_tolerance_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main([f"--tolerance={text}", "a", "b"])
    assert refused.value.code == 2


def test_no_run_is_one_line_that_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gone", "away"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "make load" in said.err and not said.out


def test_the_command_of_make_passes_all_of_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def execute(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(arguments)
        return subprocess.CompletedProcess(arguments, 3)

    monkeypatch.setattr(make_compare.venv, "make", lambda *_: tmp_path)
    monkeypatch.setattr(make_compare.venv.subprocess, "run", execute)
    values = {"A": "x", "B": "y,z", "TOLERANCE": "0.1", "FORCE": "1", "FORMAT": "json"}
    assert make_compare.compare(Settings(tmp_path, tmp_path, tmp_path, values)) == 3
    assert asked[0][2:] == [
        "loadtest.compare", "--tolerance=0.1", "--json", "--force", "--", "x", "y,z",
    ]  # fmt: skip
    with pytest.raises(Fault, match="two runs"):
        make_compare.compare(Settings(tmp_path, tmp_path, tmp_path, {"A": "x"}))


@pytest.mark.parametrize("text", ["null", "[]", "5"])
def test_another_document_is_no_run_and_nothing_worse(
    state: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    for name in ("run.json", "requests.jsonl"):
        keep(state, "a", EQUAL[:9])
        (state / "a" / name).write_text(text)
        assert main(["a", "a"]) == 2
        assert "holds no run" in capsys.readouterr().err
