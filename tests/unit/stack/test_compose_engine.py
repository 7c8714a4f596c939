"""Where no engine can be started, `make test-compose` says why and is no failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.commands import composetest
from stack.settings import load
from tests.compose import engine

REPO = Path(__file__).parents[3]


def test_what_is_missing_is_named_with_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(engine.CannotStart, match=r"dockerd.*missing: apt-get install docker\.io"):
        engine.check()


def test_without_root_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(engine.CannotStart, match="needs root"):
        engine.check()


def test_the_command_ends_with_77_and_one_line() -> None:
    bin_folder = str(Path(sys.executable).parent)
    command = [sys.executable, "-m", "pytest", "-p", composetest.PLUGIN, "-q", "tests/compose"]
    done = subprocess.run(
        command,
        cwd=REPO,
        env={"PATH": bin_folder, "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == composetest.SKIPPED, done.stdout[-2000:]
    assert "compose not tested: " in done.stdout


def test_a_pid_file_of_another_process_is_left_alone(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    settings.run.mkdir(parents=True)
    (settings.run / "dockerd.pid").write_text(str(os.getpid()))
    engine.end_leftover(settings)
