"""A process that is slowed is stopped and let go, and goes on when the command has ended."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import slowed


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("ends", [0, 3])
def test_it_goes_on_however_the_command_ends(ends: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with subprocess.Popen(["sleep", "30"]) as victim:
        program = f"import sys, time; time.sleep(0.2); sys.exit({ends})"
        command = subprocess.Popen([sys.executable, "-c", program])
        real = slowed.time.sleep

        def look(seconds: float) -> None:
            real(seconds)
            seen.append(state(victim.pid))

        monkeypatch.setattr(slowed.time, "sleep", look)
        assert slowed.slowed(victim.pid, 0.2, command) == ends
        assert state(victim.pid) != "T"
        victim.kill()
    assert "T" in seen and {"S", "R"} & {*seen}


def test_only_the_engine_core_of_this_folder_is_found(tmp_path: Path) -> None:
    for pid, name, cwd in (
        ("7", "VLLM::EngineCor", tmp_path / "mine"),
        ("8", "VLLM::EngineCor", tmp_path / "other"),
        ("9", "python", tmp_path / "mine"),
    ):
        cwd.mkdir(exist_ok=True)
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "comm").write_text(name)
        (tmp_path / "proc" / pid / "cwd").symlink_to(cwd)
    assert [*slowed.engine_cores(tmp_path / "mine", tmp_path / "proc")] == [7]
    assert slowed.main(["0.2", "true"]) == 2
