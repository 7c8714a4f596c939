"""`make report`: which run it takes, what it leaves in its folder, and the status it ends with."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grafana.pictures.stores import Stores
from loadtest.report import command, with_cost, witnesses
from loadtest.report.machine import machine
from stack.commands import report as make_report
from stack.errors import Fault
from stack.settings import Settings
from tests.unit.load_runs import Agreed, failed, kept, row, run


@pytest.fixture
def no_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> Stores:
        raise Fault("TRACES_STORE=x is unknown")

    monkeypatch.setattr(witnesses, "Stores", wrong)


@pytest.mark.usefixtures("no_stores")
def test_the_newest_run_is_reported_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    kept(tmp_path / "load/a", [failed()])
    folder = kept(tmp_path / "load/b", [row()])
    os.utime(tmp_path / "load/a/run.json", (1, 1))
    assert command.main(["--no-pictures"], lambda *_: Agreed()) == 0
    assert json.loads((folder / "report.json").read_text())["objectives_met"] is True
    assert (folder / "report.html").exists() and (folder / with_cost.NAME).exists()
    said = capsys.readouterr().out
    assert "goodput: 0.10 requests" in said and str(folder / "report.html") in said
    assert "TRACES_STORE=x is unknown" in said


@pytest.mark.usefixtures("no_stores")
@pytest.mark.parametrize(
    ("because", "exact", "status"), [((), True, 0), ((), False, 1), (("late",), True, 1)]
)
def test_the_status_tells_whether_the_figures_can_be_believed(
    tmp_path: Path, because: tuple[str, ...], exact: bool, status: int
) -> None:
    folder = kept(tmp_path / "r", [row()], run(invalid_because=because))
    arguments = [str(folder), "--no-pictures"]
    assert command.main(arguments, lambda *_: Agreed(exact)) == status


@pytest.mark.parametrize("named", [True, False])
def test_no_run_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    arguments = [str(tmp_path / "gone")] if named else []
    assert command.main(arguments, lambda *_: Agreed()) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.count("\n") == 1 and "make load" in said.err


@pytest.mark.parametrize(("chosen", "more"), [({}, []), ({"RUN": "a folder"}, ["a folder"])])
def test_the_command_of_make_passes_the_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], more: list[str]
) -> None:
    asked: list[list[str]] = []

    def execute(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(arguments)
        return subprocess.CompletedProcess(arguments, 2)

    monkeypatch.setattr(make_report.venv, "make", lambda *_: tmp_path)
    monkeypatch.setattr(make_report.venv.subprocess, "run", execute)
    assert make_report.report(Settings(tmp_path, tmp_path, tmp_path, chosen)) == 2
    assert asked == [[str(tmp_path / "bin/python"), "-m", "loadtest.report", *more]]


def test_the_machine_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       2048 kB\nMemFree: 1 kB\n")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n")
    found = machine(tmp_path)
    assert (found.memory_bytes, found.cpu) == (2048 * 1024, "A CPU @ 2 GHz")
    unknown = machine(tmp_path / "gone")
    assert (unknown.memory_bytes, unknown.cpu) == (None, "not known")
