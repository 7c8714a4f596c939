"""The state folder: one server at a time, and none that cannot write to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.settings import SettingsError
from server.storage.state_dir import StateDir


def refused(path: Path, patience: float = 0.0) -> str:
    with pytest.raises(SettingsError) as stop:
        StateDir(path, patience)
    return str(stop.value)


def test_a_second_server_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first = StateDir(tmp_path)
    message = refused(tmp_path)
    assert message.startswith("environment: LLM_SERVER_STATE_DIR: another server uses ")
    assert str(tmp_path) in message and "folder of its own" in message
    first.release()
    StateDir(tmp_path, 0.0).release()


def test_a_killed_server_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; "
        "from server.storage.state_dir import StateDir; "
        "held = StateDir(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert "another server" in refused(tmp_path)
        other.kill()
    StateDir(tmp_path, 1.0).release()


def test_a_folder_that_is_a_file_names_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("")
    message = refused(path)
    assert message.startswith("environment: LLM_SERVER_STATE_DIR: ") and "writable" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in refused(tmp_path)


def test_a_read_only_file_system_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    assert "Read-only file system" in refused(tmp_path)


def test_without_a_folder_there_is_nothing_to_hold() -> None:
    StateDir(None).release()
