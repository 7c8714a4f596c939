"""The benchmark report of each stage: by the vendored schema, in its units, nothing made up."""

import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.report import benchmark_report, command
from loadtest.report.benchmark_report import SCHEMA, check, report, write
from loadtest.rows import COOL_DOWN, Row, Run
from stack.errors import Fault
from tests.unit.load_runs import Agreed, failed, kept, ladder, row, run, stage

COPIED = "a25aa28358485572fd0e91e10bec34e19d657ea1bf8b5a97a3aeae9a95e8984e"
UNITS = {
    "time_to_first_token": "s", "request_latency": "s", "time_per_output_token": "s/token",
    "normalized_time_per_output_token": "s/token", "inter_token_latency": "s/token",
    "input_token_rate": "tokens/s", "output_token_rate": "tokens/s",
    "total_token_rate": "tokens/s", "request_rate": "queries/s",
    "input_length": "count", "output_length": "count",
}  # fmt: skip


def of(rows: list[Row], of_run: Run | None = None, invalid: tuple[str, ...] = ()) -> dict[str, Any]:
    found = report(of_run or run(), stage(), rows, invalid)
    check(found)
    return found


def aggregate(rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = of(rows)["results"]["request_performance"]["aggregate"]
    return found


def test_the_schema_is_the_one_of_the_commit_that_is_named() -> None:
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() == COPIED
    told = (SCHEMA.parent / "README.md").read_text()
    assert "8bc9f1ddd873a24f1657d6cca2e0d0fb6947dd36" in told and "Apache" in told
    assert {path.name for path in SCHEMA.parent.iterdir()} == {"README.md", SCHEMA.name}


def test_each_stage_has_its_own_and_the_edges_have_none(tmp_path: Path) -> None:
    rows, of_run = ladder()
    edge = stage(2, 20.0, phase=COOL_DOWN)
    paths = write(tmp_path, run(stages=(*of_run.stages, edge)), rows, ())
    assert [path.name for path in paths] == [
        "benchmark_report_v0.2.1,_stage_0.yaml", "benchmark_report_v0.2.1,_stage_1.yaml",
    ]  # fmt: skip
    first, second = (yaml.safe_load(path.read_text()) for path in paths)
    assert first["run"]["eid"] == second["run"]["eid"] == "r1"
    assert first["run"]["uid"] != second["run"]["uid"]
    assert second["scenario"]["load"]["standardized"]["stage"] == 1
    # Another reader finds every number again as a number, however small it is.
    assert all(type(value) in (int, float) for value in numbers(first["results"]))


def numbers(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [each for name, v in found.items() if name != "units" for each in numbers(v)]
    return [found]


def test_numbers_stand_in_the_units_that_the_schema_means() -> None:
    found = aggregate([row(0.0, 1.0, 0.5, number=1), row(1.0, 2.0, 0.7, number=2)])
    named = {**found["latency"], **found["throughput"], **found["requests"]}
    units = {name: each["units"] for name, each in named.items() if isinstance(each, dict)}
    assert units == UNITS
    assert found["latency"]["request_latency"]["p50"] == pytest.approx(1.0)
    assert found["latency"]["request_latency"]["max"] == pytest.approx(2.0)
    assert found["latency"]["time_to_first_token"]["mean"] == pytest.approx(0.6)
    # 0.2 s for the two tokens after the first; 1 s for all three.
    assert found["latency"]["time_per_output_token"]["p99p9"] == pytest.approx(0.1)
    assert found["latency"]["normalized_time_per_output_token"]["min"] == pytest.approx(1 / 3)
    assert found["throughput"]["request_rate"]["mean"] == pytest.approx(0.2)
    assert found["throughput"]["total_token_rate"]["mean"] == pytest.approx(2.0)
    assert found["requests"]["output_length"] == {
        "units": "count", "mean": 3.0, "min": 3, "max": 3, "stddev": 0.0,
        **dict.fromkeys(("p0p1", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99",
                         "p99p9"), 3),
    }  # fmt: skip


def test_failures_are_answers_and_what_is_incomplete_is_none() -> None:
    rows = [
        row(number=1),
        failed(number=2),
        failed("client_error", "400", number=3),
        failed("timeout", "504", number=4),
        failed("cut_off", "x", number=5),
        failed("client_error", "404", provoked=True, number=6),
    ]
    requests = aggregate(rows)["requests"]
    assert (requests["total"], requests["failures"], requests["incomplete"]) == (5, 2, 2)
    assert of(rows)["scenario"]["load"]["native"]["config"]["provoked_left_out"] == 1


def test_what_is_not_known_is_absent() -> None:
    nothing = of([failed(number=1)])
    assert "scenario" not in nothing
    found = nothing["results"]["request_performance"]["aggregate"]
    assert "latency" not in found and "input_length" not in found["requests"]
    assert [*found["throughput"]] == ["request_rate"]
    # One answer without a usage: nobody knows how many tokens a second it were.
    some = aggregate([row(number=1), row(number=2, input_tokens=None, output_tokens=None)])
    assert [*some["throughput"]] == ["request_rate"]
    assert some["requests"]["output_length"]["mean"] == 3.0
    one = aggregate([row(number=1)])["latency"]["request_latency"]
    assert "stddev" not in one


def test_a_run_that_is_not_to_be_believed_says_so_wherever_it_goes() -> None:
    found = of([row()], invalid=("generator late",))["run"]
    assert found["description"].startswith("INVALID (generator late)")
    assert "invalid" in found["keywords"]
    assert "INVALID" not in of([row()])["run"]["description"]


def test_times_are_those_of_the_stage() -> None:
    time = of([row()])["run"]["time"]
    begun, ended = (datetime.datetime.fromisoformat(time[end]) for end in ("start", "end"))
    assert (ended - begun).total_seconds() == 10.0 and begun.utcoffset() == datetime.timedelta(0)
    assert time["duration"] == "PT10.000000S"
    load = of([row(number=n, turn_index=n) for n in range(2)])["scenario"]["load"]["standardized"]
    assert load["rate_qps"] == 0.2 and load["multi_turn"] == {"enabled": True}


@pytest.mark.parametrize(
    ("field", "value"),
    [("run", {}), ("ours", 1), ("results", {"request_performance": {"cost": 1}})],
)
def test_what_does_not_fit_the_schema_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    wrong = {**of([row()]), field: value}
    monkeypatch.setattr(benchmark_report, "report", lambda *_: wrong)
    with pytest.raises(Fault, match="error of ours"):
        write(tmp_path, run(), [row()], ())
    assert not [*tmp_path.iterdir()]


def test_a_unit_that_is_none_is_refused() -> None:
    wrong = of([row()])
    latency = wrong["results"]["request_performance"]["aggregate"]["latency"]
    latency["request_latency"]["units"] = "minutes"
    with pytest.raises(Fault, match="request_latency"):
        check(wrong)


def test_the_report_of_a_run_leaves_it_beside_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.witnesses, "opened", lambda _: None)
    folder = kept(tmp_path / "r", [row()])
    command.make(folder, False, lambda *_: Agreed())
    assert (folder / "benchmark_report_v0.2.1,_stage_0.yaml").exists()
