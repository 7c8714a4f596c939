"""The bench beside stock vLLM: pairs are pairs, and an interval says how sure a ratio is."""

import random
import subprocess
from dataclasses import fields

import pytest

from stack.native import family, orphans
from tests.bench.overhead import servers
from tests.bench.overhead.__main__ import LIMITS, TITLES, asked, over, ratios
from tests.bench.overhead.pairs import ratio
from tests.bench.overhead.servers import OURS, STOCK
from tests.bench.overhead.turn import Cost


def turns(factor: float, count: int = 15) -> tuple[list[float], list[float]]:
    """Ours and another's: the machine is half as fast in some rounds, which both feel."""
    dice = random.Random(3)
    machine = [dice.uniform(1, 2) for _ in range(count)]
    return [factor * m * dice.uniform(0.98, 1.02) for m in machine], machine


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
def test_what_the_machine_does_in_a_round_is_in_no_ratio(factor: float) -> None:
    found = ratio(*turns(factor))
    assert found.low <= found.median <= found.high
    assert found.median == pytest.approx(factor, rel=0.02)
    assert found.high - found.low < 0.03


def test_turns_without_a_partner_are_refused() -> None:
    for ours, others in (([1.0], [1.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="make no pairs"):
            ratio(ours, others)


@pytest.mark.parametrize("rounds", ["1", "0", "-3"])
def test_too_few_rounds_are_refused_before_an_hour_is_spent(
    rounds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        asked(["--rounds", rounds])
    assert f"--rounds {rounds}: an interval needs two" in capsys.readouterr().err


def test_every_measure_has_a_title_and_every_limit_a_measure() -> None:
    measures = {field.name for field in fields(Cost)}
    assert set(TITLES) == measures >= set(LIMITS)


def test_an_interval_that_reaches_its_limit_is_named() -> None:
    ours, stock = turns(1.2)
    costs = {
        (OURS, 8): [Cost(each, 1, 1, 1, 1, 1, 1) for each in ours],
        (STOCK, 8): [Cost(each, 1, 1, 1, 1, 1, 1) for each in stock],
    }
    (named,) = over(costs)
    assert named.startswith("API process, CPU s per 1,000 tokens at 8 streams: up to 1.2")
    assert ratios(costs, STOCK)[8, "core_cpu"].high == 1.0


def test_a_server_that_does_not_end_is_ended_with_its_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "END_SECONDS", 0.05)
    program = "trap '' TERM; sleep 60 & echo; wait; sleep 60"
    with subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (engine,) = family.below(process.pid)
        servers._end(process)
        assert process.returncode == -9
    assert orphans._wait([engine], 10.0) == []
